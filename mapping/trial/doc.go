// Package trial maps rows given as JSON, without a database, so that a mapping
// can be tried: it is what `bridge map` does.
package trial
