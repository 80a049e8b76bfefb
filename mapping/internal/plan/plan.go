package plan

// Plan is a compiled mapping in numbers: tables by their place in the Spec, columns
// by their place in the table. It is immutable and safe for concurrent use.
type Plan struct {
	Message      Section
	Conversation Section
	Typing       []Member // nil when the mapping has no typing
	// typingSlot is the conversation's column whose change makes typing.
	TypingSlot int

	References []Reference
	// newestSlots are the message's columns that a conversation event reads.
	NewestSlots []bool
	NewestBy    int // slot of the column that orders messages
	// insertedOnly: message.x in a conversation is the message inserted in this
	// transaction only.
	InsertedOnly bool
	// statusMember is what is known of a message's status: the member without
	// its fallback. statusKept is its place in kept.
	StatusMember Expr
	StatusKept   int
	// statuses are the contract's.
	Statuses []string
	IDMember Expr
	// kept are the expressions whose value outlives the row's change.
	Kept []Expr
	// counted are the members whose unknown words are counted.
	Counted []string
	// keptSlots are the message's columns that they read, but for those of the
	// status.
	KeptSlots []bool
	// contentSlots are the message's columns that its content is the text of.
	ContentSlots []bool
	StatusSlots  []bool
	FollowSlots  []bool
	// visibleSlots are the columns whose change makes the event again: of the
	// message without those of the status, and of the conversation.
	VisibleSlots [FirstReference][]bool
	// referenceSlots are the columns of a reference that conversation events
	// read.
	ReferenceSlots [][]bool
}

// section is how one of the two main tables becomes its event.
type Section struct {
	Table                        TableID
	Key, Workspace, Conversation int // slots; conversation is -1 in conversation
	Members                      []Member
	UnknownChanged               bool
	// listed tells that the mapping lists the columns whose change counts; else
	// what counts is whether the event would differ.
	Listed bool
}

// reference is a table whose rows are looked up.
type Reference struct {
	Table TableID
	Key   int
	// by is the column that points to it.
	By             Ref
	UnknownChanged bool
}
