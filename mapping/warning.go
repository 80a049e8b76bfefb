package mapping

// Warning is something the operator should know. The Mapper gives each one
// once for a table and reason, with the first row's key as the example;
// Stats counts the rest.
type Warning struct {
	// Reason is a short stable word for metrics and logs, such as
	// missing_column, no_workspace, unknown_word.
	Reason string
	// Table is schema.name.
	Table string
	// Key is the row's primary key as far as known, never other content.
	Key string
	// Detail is one sentence with the remedy.
	Detail string
}
