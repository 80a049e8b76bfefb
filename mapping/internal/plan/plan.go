package plan

// TableID numbers a Spec's tables: their place in Spec.Tables.
type TableID uint8

// The first tables of every Spec.
const (
	MessageTable TableID = iota
	ConversationTable
	FirstReference
)

const (
	// MaxReferences bounds the references of a mapping.
	MaxReferences = 14
	// MaxNames bounds the ids of a message beside its own.
	MaxNames = 2
	// MaxTables bounds its tables.
	MaxTables = int(FirstReference) + MaxReferences
)

// Ref is one column of one table. Slot is its place in Table.Columns.
type Ref struct {
	Table TableID
	Slot  int
}

// Plan is a compiled mapping in numbers: tables by their place in the Spec,
// columns by their slot, the place in their table. It is immutable and safe for
// concurrent use.
type Plan struct {
	Message      Section
	Conversation Section
	// Typing is nil when the mapping has no typing. TypingSlot is the
	// conversation's column whose change makes it.
	Typing     []Member
	TypingSlot int

	References []Reference
	// Many tells that messages show references of which they have several rows.
	Many bool
	// NewestSlots are the message's columns that a conversation event reads,
	// NewestBy the slot of the column that orders messages, -1 for none.
	NewestSlots []bool
	NewestBy    int
	// InsertedOnly: message.x in a conversation is the message inserted in this
	// transaction only.
	InsertedOnly bool
	IDMember     Expr
	// Names are the other ids by which clients may know a message, at most MaxNames.
	// They read the message's columns alone.
	Names []Expr
	// StatusMember is what is known of a message's status: the member without its
	// fallback. StatusKept is its place in Kept, Statuses are the contract's.
	StatusMember Expr
	StatusKept   int
	Statuses     []string
	// Kept are the expressions whose value is remembered after the row has it no
	// more.
	Kept []Expr
	// CountedWords are the members whose unknown words are counted.
	CountedWords []string
	// ContentSlots are the message's columns that its content is the text of.
	ContentSlots []bool
	// WhereSlots are the message's columns that Message.Where reads.
	WhereSlots []int
	// Uses tell what a change of each of the message's columns means.
	Uses []Use
	// VisibleSlots are the columns whose change makes the event again: of the
	// message without those of the status, and of the conversation.
	VisibleSlots [FirstReference][]bool
	// ReferenceSlots are the columns of each reference that conversation events
	// read.
	ReferenceSlots [][]bool
}

// Use is what a column of messages is used for.
type Use uint8

const (
	// UseVisible: its change makes the message again, UseFollow: unless the status
	// changed as well.
	UseVisible Use = 1 << iota
	UseFollow
	// UseStatus: the status is made of it.
	UseStatus
	// UsePreview: conversations show it of their newest message.
	UsePreview
	// UseKept: it is among what Plan.Kept reads, but for the status.
	UseKept
)

// Section is how one of the two main tables becomes its event.
type Section struct {
	Table TableID
	// Key, Workspace and Conversation are slots; Conversation is -1 in the
	// conversation's own section.
	Key, Workspace, Conversation int
	Members                      []Member
	// Where is the condition of rows that make an event, nil for all.
	Where Condition
	// UnknownChanged: an UPDATE of which nobody knows what it changed counts as a
	// change.
	UnknownChanged bool
	// Listed: the mapping lists the columns whose change counts. Otherwise what
	// counts is whether the event would differ.
	Listed bool
}

// Reference is a table whose rows are looked up.
type Reference struct {
	Table TableID
	Key   int
	// By is the column that points to it.
	By Ref
	// Many: several of its rows point to a message, which is By.
	Many           bool
	UnknownChanged bool
}
