package convert

// Shape returns the test for a named form of text, nil when there is none of that
// name. The forms are written out because the regular expression takes 500 ns on a
// phone's JID, these 20 (measured).
func Shape(name string) func([]byte) bool {
	switch name {
	case "digits":
		return digits
	case "filled":
		return filled
	case "phone":
		return isPhone
	case "phone_jid":
		return isPhoneJID
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

// ShapeNames lists the names of shapes.
func ShapeNames() []string {
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

// isPhone is the CRM's pattern for a phone: ^\+?[1-9]\d{10,14}$.
func isPhone(s []byte) bool {
	if len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	return len(s) >= 11 && len(s) <= 15 && s[0] != '0' && digits(s)
}

// isPhoneJID is a phone with @s.whatsapp.net after it.
func isPhoneJID(s []byte) bool {
	const suffix = "@s.whatsapp.net"
	n := len(s) - len(suffix)
	return n > 0 && string(s[n:]) == suffix && isPhone(s[:n])
}
