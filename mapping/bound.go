package mapping

import (
	"slices"

	"chatbridge/internal/jsonscan"
)

// mark ends a content that was cut.
const shortenedMark = "… [shortened]"

// What is large enough to look at: values below it are rendered without asking
// for the bound.
const (
	largeValue = 64 << 10
	// smallValue is what any value may have that an event can do without, when
	// nothing else makes it small enough.
	smallValue = 4 << 10
)

// bound is how an env renders large values; the zero bound is none. With room 0 they are rendered as
// they are; over is set when the event gets too large, and they are left away
// for the time being. Otherwise a content is cut to half of most, another value
// of more than room is no value, unless the event cannot do without it, which
// sets over.
type bound struct {
	most, large, room int
	over              bool
	// name is the member that is rendered, loose that it is inside metadata.
	name  string
	loose bool
	// shortened tells that something was cut or left away; cut that a row had
	// been cut before, in memory.
	shortened, cut bool
}

func (b *bound) init(most int) { b.most, b.large = most, min(most, largeValue) }

// appendLarge appends a text of more than large bytes as a JSON string within
// the bound.
func (b *bound) appendLarge(dst, s []byte) ([]byte, bool) {
	if b.most == 0 {
		return jsonscan.AppendString(dst, s), true
	}
	n := jsonscan.StringLen(s, b.most)
	switch {
	case b.room == 0 && len(dst)+n <= b.most, b.room > 0 && n <= b.room, b.room > 0 && b.name == "content" && n <= b.most/2:
		return jsonscan.AppendString(slices.Grow(dst, n), s), true
	case b.room == 0:
		b.over = true
		return append(dst, `""`...), true
	case b.name == "content":
		b.shortened = true
		room := b.most/2 - len(shortenedMark) - 2
		s = s[:jsonscan.CutAt(s, room)]
		dst = jsonscan.AppendString(slices.Grow(dst, room+len(shortenedMark)+2), s)
		return append(append(dst[:len(dst)-1], shortenedMark...), '"'), true
	}
	return b.without(dst)
}

// without leaves a value away, or gives the event up.
func (b *bound) without(dst []byte) ([]byte, bool) {
	if !b.loose && isVital(b.name) {
		b.over = true
	}
	b.shortened = true
	return dst, false
}

// fits tells whether n bytes of JSON may be appended; if not, what without or
// over says has to be done.
func (b *bound) fits(dst []byte, n int) bool {
	switch {
	case n <= b.large, b.most == 0:
		return true
	case b.room > 0:
		return n <= b.room
	case len(dst)+n > b.most:
		b.over = true
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
