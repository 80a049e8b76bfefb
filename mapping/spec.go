package mapping

import "chatbridge/source"

// Spec is a compiled mapping. It is immutable and safe for concurrent use.
type Spec struct {
	tables []Table
}

// Table is a table that a Spec reads.
type Table struct {
	// Role is message, conversation, or the name of a reference such as
	// contact.
	Role string
	// Schema and Name say where it is.
	Schema, Name string
	// Stream tells that changes of this table make events, so that it must be
	// published. References are Stream false: published, a change of theirs
	// makes events; unpublished, they are looked up.
	Stream bool
	// Key is the column that identifies a row.
	Key string
	// Columns are the columns that are read, in the order that Found.Row has.
	Columns []Column
}

// Column is a column that a Spec reads.
type Column struct {
	Name string
	// Required tells that without it nothing of the table can be mapped.
	Required bool
	// Members are the members that go without when the column is missing, such
	// as message.attachments.
	Members []string
}

// Load compiles a mapping: the preset of that name (`crm`, `chatengine`),
// changed by the file unless it is "". A file that says `replace: true` stands
// alone and the preset is not read.
//
// Errors name file, line and the nearest accepted word; see Error.
func Load(preset, file string) (*Spec, error) { return nil, nil }

// Tables returns the tables that the Spec reads: message and conversation
// first, then the references. The caller must not change it.
func (s *Spec) Tables() []Table { return s.tables }

// Check compares the Spec with the columns that a table really has. columns
// returns them for a table, nil when the table does not exist. A column that
// the operator's own file names and the table lacks is an error, as is a
// required one; one that only the preset names costs its members and is a
// warning.
func (s *Spec) Check(columns func(schema, table string) []source.Column) (warnings []Problem, err error) {
	return nil, nil
}

// Problem is one thing in a mapping that does not fit.
type Problem struct {
	// File and Line say where the mapping says it. File is the preset's name
	// in the form `preset crm` for a preset.
	File string
	Line int
	// Text is one sentence: what is wrong, and the nearest thing that would be
	// right.
	Text string
}
