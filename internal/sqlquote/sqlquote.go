// Package sqlquote quotes text for SQL where a statement takes no parameters.
// For identifiers there is pgx.Identifier. It imports nothing of ours.
package sqlquote

import "strings"

// Literal quotes a string as an SQL literal, for sessions with
// standard_conforming_strings and for replication commands.
func Literal(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
