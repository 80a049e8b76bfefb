package plan

import (
	"slices"

	"chatbridge/internal/jsonscan"
)

// ShortenedMark ends a content that was cut.
const ShortenedMark = "… [shortened]"

// Sizes in bytes. Values below largeValue are rendered without asking the limit.
// smallValue is what any value may have that an event can do without, when
// nothing else makes the event small enough.
const (
	largeValue = 64 << 10
	smallValue = 4 << 10
)

// Limit is how an Env renders large values; the zero Limit is none.
//
// At first they are rendered as they are. Where the event gets larger than Most,
// Over is set and the rest of them is left away: the event has to be rendered
// again after Tighten. Then a content is cut to half of Most, and another value of
// more than room is no value, unless the event cannot do without it, which sets
// Over.
type Limit struct {
	Most int
	Over bool
	// Shortened tells that something was cut or left away since Tighten; Cut that a
	// row had been shortened before, in memory.
	Shortened, Cut bool
	// large is the size from which a value is measured, room that of the values to
	// leave away, 0 for none.
	large, room int
	// name is the member that is rendered, loose that it is inside metadata.
	name  string
	loose bool
}

// Init sets the largest size of an event, in bytes.
func (l *Limit) Init(most int) { l.Most, l.large = most, min(most, largeValue) }

// Rooms are the arguments for Tighten: first values that take more than a quarter
// of the limit are left away, then all that are not small.
func (l *Limit) Rooms() [2]int {
	return [...]int{max(l.Most/4, 1), max(min(l.Most/16, smallValue), 1)}
}

// Tighten leaves values of more than room bytes away, from now on until Loosen.
func (l *Limit) Tighten(room int) {
	l.room, l.large, l.Over, l.Shortened = room, min(room, largeValue), false, false
}

// Loosen undoes Tighten.
func (l *Limit) Loosen() { l.room, l.large = 0, min(l.Most, largeValue) }

// Tight reports whether Tighten is in force.
func (l *Limit) Tight() bool { return l.room > 0 }

// Enter names the member of the event that is rendered next.
func (l *Limit) Enter(member string) { l.name, l.loose = member, member == "metadata" }

// appendLarge appends a text of more than large bytes as a JSON string within
// the limit.
func (l *Limit) appendLarge(dst, s []byte) ([]byte, bool) {
	if l.Most == 0 {
		return jsonscan.AppendString(dst, s), true
	}
	n := jsonscan.StringLen(s, l.Most)
	switch {
	case l.room == 0 && len(dst)+n <= l.Most, l.room > 0 && n <= l.room, l.room > 0 && l.name == "content" && n <= l.Most/2:
		return jsonscan.AppendString(slices.Grow(dst, n), s), true
	case l.room == 0:
		l.Over = true
		return append(dst, `""`...), true
	case l.name == "content":
		l.Shortened = true
		room := l.Most/2 - len(ShortenedMark) - 2
		s = s[:jsonscan.CutAt(s, room)]
		dst = jsonscan.AppendString(slices.Grow(dst, room+len(ShortenedMark)+2), s)
		return append(append(dst[:len(dst)-1], ShortenedMark...), '"'), true
	}
	return l.without(dst)
}

// without leaves a value away, or gives the event up.
func (l *Limit) without(dst []byte) ([]byte, bool) {
	if !l.loose && isVital(l.name) {
		l.Over = true
	}
	l.Shortened = true
	return dst, false
}

// fits reports whether n bytes of JSON may be appended.
func (l *Limit) fits(dst []byte, n int) bool {
	switch {
	case n <= l.large, l.Most == 0:
		return true
	case l.room > 0:
		return n <= l.room
	case len(dst)+n > l.Most:
		l.Over = true
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
