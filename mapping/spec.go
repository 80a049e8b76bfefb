package mapping

import "chatbridge/mapping/internal/plan"

// Spec is a compiled mapping. It is immutable and safe for concurrent use.
type Spec struct {
	tables []Table
	// times are the columns that are printed as times and have no unit.
	times []timeColumn
	// conditions are those that compare a column's text with words.
	conditions []wordCondition
	plan       plan.Plan
	// fingerprint is that of what was compiled.
	fingerprint string
}

// Plan returns what the engine runs per row. It is for mapping/engine.
func (s *Spec) Plan() *plan.Plan { return &s.plan }

// Table is a table that a Spec reads.
type Table struct {
	// Role is message, conversation, or the name of a reference such as
	// contact.
	Role string
	// Schema and Name say where it is.
	Schema, Name string
	// Stream tells that changes of this table make events, so that it must be
	// published. References have Stream false: where they are published, a
	// change of theirs makes events; where not, they are looked up.
	Stream bool
	// Key is the place in Columns of the column that identifies a row, within
	// its workspace where there is one: Workspace is the place of that column,
	// -1 in references whose mapping names none.
	Key, Workspace int
	// Columns are the columns that are read, in the order that Found.Row has.
	Columns []Column
	// Newest, in the message table, is the place in Columns of the column that
	// orders messages, -1 where newest messages are never looked up;
	// Conversation is that of the conversation's key. Both are -1 in the other
	// tables.
	Newest, Conversation int
	// By and ByColumn, in a reference, are the Role of the table and the place
	// in its Columns of the column that points here.
	By       string
	ByColumn int
	// Many, in a reference of which a message has several rows, is the place in
	// Columns of the column that has the message's key, else -1.
	Many int

	at  place
	own bool
	// derived are the places of the columns that are derived, those of several
	// columns after these.
	derived []int
}

// Column is a column that a Spec reads.
type Column struct {
	// Name is the column's name; of one that is made of several it is for messages.
	Name string
	// Path and From, of a value inside a JSON column, are where it is there and the
	// place in Columns of the column itself. Parts, of a key of several columns, are
	// their places. Both are nil for an ordinary column: see Derived.
	Path  []string
	From  int
	Parts []int
	// Required tells that without it nothing of the table can be mapped.
	Required bool
	// Optional tells that without it nothing is missing: only the preset's `where:`
	// reads it.
	Optional bool
	// Members are the members that go without when the column is missing, such
	// as message.attachments.
	Members []string

	at  place
	own bool
}

// String returns the column's name, with the place inside it as Postgres writes it.
func (c *Column) String() string {
	out := c.Name
	for i, step := range c.Path {
		if out += "->"; i == len(c.Path)-1 {
			out += ">"
		}
		out += "'" + step + "'"
	}
	return out
}

// place is where a mapping says something.
type place struct {
	file string
	line int
}

// Tables returns the tables that the Spec reads: message and conversation
// first, then the references. The caller must not change it.
func (s *Spec) Tables() []Table { return s.tables }

// MessageTime returns the places in the message table's Columns of the conversation's
// key, and of the column that orders messages; the latter is -1 where there is none.
func (s *Spec) MessageTime() (conversation, at int) {
	return s.plan.Message.Conversation, s.plan.NewestBy
}

// StatusColumns returns the names of the message table's columns that the status is
// made of, of those that are there as they are.
func (s *Spec) StatusColumns() []string {
	var names []string
	columns := s.tables[0].Columns
	for slot, use := range s.plan.Uses {
		if use&plan.UseStatus != 0 && slot < len(columns) && !columns[slot].Derived() {
			names = append(names, columns[slot].Name)
		}
	}
	return names
}

// Table returns the table of that role.
func (s *Spec) Table(role string) (Table, bool) {
	for _, t := range s.tables {
		if t.Role == role {
			return t, true
		}
	}
	return Table{}, false
}
