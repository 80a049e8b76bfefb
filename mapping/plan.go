package mapping

// Plan is a compiled mapping in numbers: tables by their place in the Spec, columns
// by their place in the table. It is immutable and safe for concurrent use.
type Plan struct {
	message      section
	conversation section
	typing       []memberExpr // nil when the mapping has no typing
	// typingSlot is the conversation's column whose change makes typing.
	typingSlot int

	references []reference
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
	// counted are the members whose unknown words are counted.
	counted []string
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
