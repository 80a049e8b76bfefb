package contract

import "chatbridge/internal/jsonscan"

// Kind is the name of an event of the contract.
type Kind uint8

// The events that rows make.
const (
	Message Kind = iota + 1
	Conversation
	MessageStatus
	Typing
)

var kinds = [...]string{Message: "message", Conversation: "conversation", MessageStatus: "messageStatus", Typing: "typing"}

// String returns the event's name on the wire, such as messageStatus.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kinds) {
		return "unknown"
	}
	return kinds[k]
}

// Event is one event, ready to be sent. Its byte slices alias the Mapper's
// buffers and are valid until emit returns; who keeps one copies it.
type Event struct {
	Kind Kind
	// Index is the event's place in its transaction, from 1, strictly
	// increasing in the order of emission: source.Position.Index. It depends on
	// the transaction's rows alone, not on what the Mapper remembers, so it is
	// the same when the transaction is read again; there are holes in the
	// sequence.
	Index uint32
	// Workspace and Conversation say which sockets may get the event. Neither
	// is ever empty.
	Workspace, Conversation []byte
	// Key tells which events supersede one another: the message's id for
	// Message and MessageStatus, the conversation's id otherwise.
	Key []byte
	// Status is the message's status in the contract's words; Message and
	// MessageStatus only.
	Status []byte
	// Payload is the JSON of the event's single argument.
	Payload []byte

	// Of is the message's own id where Key is another one, under which the same status
	// goes once more, right after; MessageStatus only.
	Of []byte

	// Other is the id by which ChatEngine names the message, where that is another
	// than Key and known; Message only. Its value in the JSON stands right after
	// MessageHead.
	Other []byte
	// Again: the row was there before. Created is then when it was created, in
	// microseconds since 1970, 0 if that is not known. Message only.
	Again   bool
	Created int64
}

// MessageHead is what the payload of each message begins with; the id follows.
const MessageHead = `{"id":`

// Renamed appends the payload of a message with another id to dst.
func Renamed(dst, payload, id []byte) []byte {
	end, _ := jsonscan.SkipString(payload, len(MessageHead)) // there is one
	return append(jsonscan.AppendString(append(dst, MessageHead...), id), payload[end:]...)
}
