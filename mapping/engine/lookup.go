package engine

import "chatbridge/source"

// Lookup answers what the rows of a batch lack. mapping/lookup implements it
// over SQL and over PostgREST; a Mapper without one makes do with what the
// stream has shown.
type Lookup interface {
	// Fetch asks for everything in need in one round trip and calls found for
	// each row before it returns, a conversation before its newest message. It bounds its own time. After
	// an error what was found until then is used, and the rest of the batch is
	// mapped without: members are left out or filled by their fallbacks.
	// After nil, what was not found does not exist.
	Fetch(need *Need, found func(Found)) error
}

// Need is what a batch of rows lacks. Keys are in Postgres's text form, without
// repetition; a row is meant only if its workspace is the key's too. Empty
// lists are not asked for.
type Need struct {
	// Conversations are keys of conversations whose row is wanted, with the
	// rows of every reference that hangs on them.
	Conversations []RowKey
	// Newest are keys of conversations whose newest message is wanted.
	Newest []RowKey
	// References are rows of referenced tables wanted by key.
	References []ReferenceNeed
	// Related asks for the conversations that point to these rows, at most
	// RelatedLimit for each, with their references and their newest messages.
	Related []ReferenceNeed
	// Messages are keys of messages whose row is wanted, because the change
	// came without its large values.
	Messages []RowKey
	// Many are messages of which the rows of a reference are wanted that point to
	// them, at most ManyLimit for each; the keys are the messages'.
	Many []ReferenceNeed
	// Left are messages that these conversations have no more, or only at a time that
	// comes earlier, as convert.TimeOrder has it. One that is found later than that was
	// read before the change could be seen.
	Left map[Leaving]int64
}

// Leaving is a message that left its conversation.
type Leaving struct {
	Conversation RowKey
	Message      string
}

// RelatedLimit is the most conversations that a change of one referenced row
// (a contact) makes events for.
const RelatedLimit = 64

// ManyLimit is the most rows of one reference that a message shows.
const ManyLimit = 32

// ReferenceNeed names rows of one referenced table: their own keys in
// Need.References, the values of the conversation's column that points to them
// in Need.Related (the same values), messages in Need.Many.
type ReferenceNeed struct {
	// Table is the reference's name in the Spec, such as contact.
	Table string
	Keys  []RowKey
}

// Empty reports whether nothing is needed; Left alone needs nothing.
func (n *Need) Empty() bool {
	return len(n.Conversations)+len(n.Newest)+len(n.References)+len(n.Related)+len(n.Messages)+len(n.Many) == 0
}

// Found is one row that a Lookup found. Rows that nobody asked for do no harm.
type Found struct {
	// Table is the table's name in the Spec: message, conversation or a
	// reference.
	Table string
	// Newest tells that Row is a message and the newest of its conversation.
	Newest bool
	// Row holds the values of the Spec's columns of that table, in the order of
	// Table.Columns. It is copied before found returns.
	Row source.Row
}
