package convert

import "bytes"

// identityKind says whom one of WhatsApp's identities names.
type identityKind uint8

const (
	noIdentity identityKind = iota
	phoneIdentity
	lidIdentity
	botIdentity
	groupIdentity
	newsletterIdentity
	broadcastIdentity
)

// identityServers are what stands behind the @ of a JID (Baileys' type
// JidServer; whatsmeow's types.*Server).
var identityServers = map[string]identityKind{
	"s.whatsapp.net": phoneIdentity, "c.us": phoneIdentity, "hosted": phoneIdentity,
	"lid": lidIdentity, "hosted.lid": lidIdentity,
	"bot":  botIdentity,
	"g.us": groupIdentity, "newsletter": newsletterIdentity, "broadcast": broadcastIdentity,
}

// identityPrefixes are what the CRM's contacts have before ids that are no
// phone, and what Twilio's addresses and URIs have before those that are.
var identityPrefixes = []struct {
	text string
	kind identityKind
}{{"lid:", lidIdentity}, {"group:", groupIdentity}, {"whatsapp:", phoneIdentity}, {"tel:", phoneIdentity}}

// maxIdentity is the longest text that is looked at.
const maxIdentity = 128

// parseIdentity tells whom s names and appends what it is named by to dst: the
// digits of a phone, LID or bot, of a phone with the + that s has. Blanks,
// dashes and the like are dropped, and so are the agent and the device of a
// JID: user_agent:device@server, or user.agent:device@server.
func parseIdentity(dst, s []byte) ([]byte, identityKind) {
	s = bytes.TrimSpace(s)
	if len(s) == 0 || len(s) > maxIdentity {
		return dst, noIdentity
	}
	kind := phoneIdentity
	at := bytes.LastIndexByte(s, '@')
	if at >= 0 {
		if kind = serverKind(s[at+1:]); kind == noIdentity {
			return dst, noIdentity
		}
		s = s[:at]
	}
	for _, p := range identityPrefixes {
		if len(s) > len(p.text) && bytes.EqualFold(s[:len(p.text)], []byte(p.text)) {
			if at < 0 {
				kind = p.kind
			}
			s = s[len(p.text):]
			break
		}
	}
	if kind >= groupIdentity {
		return dst, kind
	}
	user, ok := withoutDevice(s, at >= 0)
	if !ok {
		return dst, noIdentity
	}
	out, ok := appendNumber(dst, user)
	if !ok {
		return dst, noIdentity
	}
	if kind != phoneIdentity && out[len(dst)] == '+' {
		return dst, noIdentity
	}
	return out, kind
}

func serverKind(s []byte) identityKind {
	var lower [16]byte
	if len(s) > len(lower) {
		return noIdentity
	}
	for i, c := range s {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return identityServers[string(lower[:len(s)])]
}

// withoutDevice cuts :device and, in a JID, the agent before it.
func withoutDevice(s []byte, jid bool) ([]byte, bool) {
	s, device, has := bytes.Cut(s, []byte(":"))
	if has && !digits(device) {
		return nil, false
	}
	for _, sep := range []byte("_.") {
		if i := bytes.IndexByte(s, sep); jid && i > 0 && len(s)-i <= 4 && digits(s[i+1:]) {
			s = s[:i]
		}
	}
	return s, true
}

// appendNumber appends the digits of a number as people write it, with the +
// before them; 00 before a country's code is a +.
func appendNumber(dst, s []byte) ([]byte, bool) {
	start := len(dst)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c-'0' <= 9:
			dst = append(dst, c)
		case c == '+' && len(dst) == start:
			dst = append(dst, c)
		default:
			n := separator(s[i:])
			if n == 0 {
				return dst[:start], false
			}
			i += n - 1
		}
	}
	if n := dst[start:]; len(n) > 2 && n[0] == '0' && n[1] == '0' && n[2] != '0' {
		n[1] = '+'
		dst = append(dst[:start], n[1:]...)
	}
	return dst, len(dst) > start && dst[len(dst)-1] != '+'
}

// separator returns how many bytes the separator at the beginning of s has, 0
// when there is none: blanks, dashes, dots, slashes, parentheses, and what
// Unicode has of them in U+2000 to U+206F, such as the marks of direction
// around numbers that were copied from a list of contacts.
func separator(s []byte) int {
	switch {
	case bytes.IndexByte([]byte(" \t-.()/"), s[0]) >= 0:
		return 1
	case s[0] == 0xC2 && len(s) > 1 && s[1] == 0xA0: // no-break space
		return 2
	case s[0] == 0xE2 && len(s) > 2 && (s[1] == 0x80 || s[1] == 0x81 && s[2] < 0xB0):
		return 3
	}
	return 0
}

// asPhone appends the phone of an identity as the CRM knows one for a phone:
// ^\+?[1-9]\d{10,14}$.
func asPhone(dst, s []byte) ([]byte, bool) {
	out, kind := parseIdentity(dst, s)
	return out, kind == phoneIdentity && isPhone(out[len(dst):])
}

// asPhoneJID appends the JID of a phone, without a device.
func asPhoneJID(dst, s []byte) ([]byte, bool) {
	start := len(dst)
	out, ok := asPhone(dst, s)
	if !ok {
		return dst, false
	}
	if out[start] == '+' {
		out = append(out[:start], out[start+1:]...)
	}
	return append(out, "@s.whatsapp.net"...), true
}

// asLID appends the digits of a LID.
func asLID(dst, s []byte) ([]byte, bool) {
	out, kind := parseIdentity(dst, s)
	return out, kind == lidIdentity
}

// asPhoneShaped appends something that the CRM takes for a phone, so that it
// shows a message as incoming: the digits of a phone, LID or bot where there
// are 11 to 15 of them, else 999 and at least eight digits, the last twelve.
// 999 is the code of no country, so this is nobody's number; and two people do
// not become one. Groups, channels and broadcasts are nobody.
func asPhoneShaped(dst, s []byte) ([]byte, bool) {
	start := len(dst)
	out, kind := parseIdentity(dst, s)
	if kind == noIdentity || kind > botIdentity {
		return dst, false
	}
	n := out[start:]
	if isPhone(n) {
		return out, true
	}
	n = bytes.TrimPrefix(n, []byte("+"))
	if kind == phoneIdentity && len(n) > 15 { // a group's id
		return dst, false
	}
	var b [15]byte
	shaped := append(b[:0], "999"...)
	for i := len(n); i < 8; i++ {
		shaped = append(shaped, '0')
	}
	shaped = append(shaped, n[max(0, len(n)-12):]...)
	return append(out[:start], shaped...), true
}

// Transform turns text into another form; false when it has none.
type Transform struct {
	To func(dst, s []byte) ([]byte, bool)
	// Same tells that text has the form already. It is there because nearly all
	// text has, and copying it costs more than looking.
	Same func(s []byte) bool
}

// Transforms are the forms that `as:` names.
var Transforms = map[string]Transform{
	"phone":        {asPhone, isPhone},
	"phone_jid":    {asPhoneJID, func(s []byte) bool { return isPhoneJID(s) && s[0] != '+' }},
	"lid":          {asLID, nil},
	"phone_shaped": {asPhoneShaped, isPhone},
}

// TransformNames lists their names.
func TransformNames() []string { return []string{"lid", "phone", "phone_jid", "phone_shaped"} }
