package mapping

import (
	"regexp"

	"chatbridge/internal/jsonscan"
)

// matchers are the named forms of text. They are written out because the
// regular expression takes 500 ns on a phone's JID, these 20 (measured).
func matcher(name string) func([]byte) bool {
	switch name {
	case "digits":
		return digits
	case "filled":
		return filled
	case "phone":
		return phone
	case "phone_jid":
		return phoneJID
	case "lid":
		return ofKind(lidIdentity)
	case "group":
		return ofKind(groupIdentity)
	case "newsletter":
		return ofKind(newsletterIdentity)
	}
	return nil
}

func ofKind(kind identityKind) func([]byte) bool {
	return func(s []byte) bool {
		var b [maxIdentity]byte
		_, k := parseIdentity(b[:0], s)
		return k == kind
	}
}

// matcherNames lists what matcher knows.
func matcherNames() []string {
	return []string{"digits", "filled", "group", "lid", "newsletter", "phone", "phone_jid"}
}

// filled is anything but the empty text.
func filled(s []byte) bool { return len(s) > 0 }

func digits(s []byte) bool {
	var bad byte
	for _, c := range s {
		bad |= noDigit(c)
	}
	return len(s) > 0 && bad < 0x80
}

// phone is the CRM's pattern for a phone: ^\+?[1-9]\d{10,14}$.
func phone(s []byte) bool {
	if len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	return len(s) >= 11 && len(s) <= 15 && s[0] != '0' && digits(s)
}

// phoneJID is a phone with @s.whatsapp.net after it.
func phoneJID(s []byte) bool {
	const suffix = "@s.whatsapp.net"
	n := len(s) - len(suffix)
	return n > 0 && string(s[n:]) == suffix && phone(s[:n])
}

// beginsExpr lets text through that begins with another, or with not, that
// does not begin with it and is not empty; case matters.
type beginsExpr struct {
	of     expr
	prefix string
	not    bool
}

func (x *beginsExpr) text(e *env) ([]byte, bool) {
	s, ok := x.of.text(e)
	begins := len(s) >= len(x.prefix) && string(s[:len(x.prefix)]) == x.prefix
	return s, ok && len(s) > 0 && begins != x.not
}

func (x *beginsExpr) json(dst []byte, e *env) ([]byte, bool) {
	s, ok := x.text(e)
	if !ok {
		return dst, false
	}
	if len(s) > e.large {
		return e.appendLarge(dst, s)
	}
	return jsonscan.AppendString(dst, s), true
}
func (x *beginsExpr) walk(visit func(ref)) { x.of.walk(visit) }

func pattern(re *regexp.Regexp) func([]byte) bool { return re.Match }
