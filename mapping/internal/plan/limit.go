package plan

import (
	"slices"

	"chatbridge/internal/jsonscan"
)

// mark ends a content that was cut.
const ShortenedMark = "… [shortened]"

// What is large enough to look at: values below it are rendered without asking
// for the bound.
const (
	LargeValue = 64 << 10
	// smallValue is what any value may have that an event can do without, when
	// nothing else makes it small enough.
	SmallValue = 4 << 10
)

// bound is how an env renders large values; the zero bound is none. With room 0 they are rendered as
// they are; over is set when the event gets too large, and they are left away
// for the time being. Otherwise a content is cut to half of most, another value
// of more than room is no value, unless the event cannot do without it, which
// sets over.
type Limit struct {
	Most, Large, Room int
	Over              bool
	// name is the member that is rendered, loose that it is inside metadata.
	Name  string
	Loose bool
	// shortened tells that something was cut or left away; cut that a row had
	// been cut before, in memory.
	Shortened, Cut bool
}

func (b *Limit) Init(most int) { b.Most, b.Large = most, min(most, LargeValue) }

// appendLarge appends a text of more than large bytes as a JSON string within
// the bound.
func (b *Limit) appendLarge(dst, s []byte) ([]byte, bool) {
	if b.Most == 0 {
		return jsonscan.AppendString(dst, s), true
	}
	n := jsonscan.StringLen(s, b.Most)
	switch {
	case b.Room == 0 && len(dst)+n <= b.Most, b.Room > 0 && n <= b.Room, b.Room > 0 && b.Name == "content" && n <= b.Most/2:
		return jsonscan.AppendString(slices.Grow(dst, n), s), true
	case b.Room == 0:
		b.Over = true
		return append(dst, `""`...), true
	case b.Name == "content":
		b.Shortened = true
		room := b.Most/2 - len(ShortenedMark) - 2
		s = s[:jsonscan.CutAt(s, room)]
		dst = jsonscan.AppendString(slices.Grow(dst, room+len(ShortenedMark)+2), s)
		return append(append(dst[:len(dst)-1], ShortenedMark...), '"'), true
	}
	return b.without(dst)
}

// without leaves a value away, or gives the event up.
func (b *Limit) without(dst []byte) ([]byte, bool) {
	if !b.Loose && isVital(b.Name) {
		b.Over = true
	}
	b.Shortened = true
	return dst, false
}

// fits tells whether n bytes of JSON may be appended; if not, what without or
// over says has to be done.
func (b *Limit) fits(dst []byte, n int) bool {
	switch {
	case n <= b.Large, b.Most == 0:
		return true
	case b.Room > 0:
		return n <= b.Room
	case len(dst)+n > b.Most:
		b.Over = true
		return false
	}
	return true
}

// isVital tells the members that say what the event is of. An event does
// without any other rather than not being sent.
func isVital(member string) bool {
	switch member {
	case "id", "workspaceId", "conversationId", "messageId", "senderId", "replyToMessageId", "contactId", "whatsappNumberId",
		"type", "status", "channel", "createdAt", "updatedAt", "userId", "isTyping":
		return true
	}
	return false
}
