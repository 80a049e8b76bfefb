// Package event is the event that the benchmarks send: a CRM `message` event of
// [Size] bytes on the wire, framing not counted, that carries its number and
// the moment it was due at fixed places, so that a load generator can read both
// without parsing JSON.
package event
