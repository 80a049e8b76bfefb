package mapping

// Spec is a compiled mapping. It is immutable and safe for concurrent use.
type Spec struct {
	tables []Table

	message      section
	conversation section
	typing       []memberExpr // nil when the mapping has no typing
	// typingSlot is the conversation's column whose change makes typing.
	typingSlot int

	references []reference
	// times are the columns that are printed as times and have no unit.
	times []timeColumn
	// newestSlots are the message's columns that a conversation event reads.
	newestSlots []bool
	newestBy    int // slot of the column that orders messages
	// insertedOnly: message.x in a conversation is the message inserted in this
	// transaction only.
	insertedOnly bool
	// statusMember is what is known of a message's status: the member without
	// its fallback. statusKept is its place in kept.
	statusMember expr
	statusKept   int
	// statuses are the contract's.
	statuses []string
	idMember expr
	// kept are the expressions whose value outlives the row's change.
	kept []expr
	// keptSlots are the message's columns that they read, but for those of the
	// status.
	keptSlots []bool
	// contentSlots are the message's columns that its content is the text of.
	contentSlots []bool
	statusSlots  []bool
	followSlots  []bool
	// visibleSlots are the columns whose change makes the event again: of the
	// message without those of the status, and of the conversation.
	visibleSlots [firstReference][]bool
	// referenceSlots are the columns of a reference that conversation events
	// read.
	referenceSlots [][]bool
}

// section is how one of the two main tables becomes its event.
type section struct {
	table                        tableID
	key, workspace, conversation int // slots; conversation is -1 in conversation
	members                      []memberExpr
	unknownChanged               bool
	// listed tells that the mapping lists the columns whose change counts; else
	// what counts is whether the event would differ.
	listed bool
}

// reference is a table whose rows are looked up.
type reference struct {
	id  tableID
	key int
	// by is the column that points to it.
	by             ref
	unknownChanged bool
}

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

	at  place
	own bool
}

// Column is a column that a Spec reads.
type Column struct {
	Name string
	// Required tells that without it nothing of the table can be mapped.
	Required bool
	// Members are the members that go without when the column is missing, such
	// as message.attachments.
	Members []string

	at  place
	own bool
}

// place is where a mapping says something.
type place struct {
	file string
	line int
}

// Tables returns the tables that the Spec reads: message and conversation
// first, then the references. The caller must not change it.
func (s *Spec) Tables() []Table { return s.tables }

// Table returns the table of that role.
func (s *Spec) Table(role string) (Table, bool) {
	for _, t := range s.tables {
		if t.Role == role {
			return t, true
		}
	}
	return Table{}, false
}

// lookup returns the table's number; false when the Spec does not read it.
func (s *Spec) lookup(schema, name string) (tableID, bool) {
	for i := range s.tables {
		if s.tables[i].Name == name && s.tables[i].Schema == schema {
			return tableID(i), true
		}
	}
	return 0, false
}
