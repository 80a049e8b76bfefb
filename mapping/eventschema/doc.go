// Package eventschema is the JSON Schema of the four events: generated from
// the payload types of mapping/contract, published as docs/events.schema.json,
// and a validator for tests. The bridge itself does not import it.
package eventschema
