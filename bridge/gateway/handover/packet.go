package handover

import "bytes"

// The packets of namespace / that a hand-over acts on, as text: an Engine.IO
// message (4) holding a Socket.IO packet (Socket.IO 5 protocol, Packet encoding).

// isConnect reports whether p is the CONNECT of namespace /, the client's or the
// server's.
func isConnect(p []byte) bool { return isType(p, '0') }

// isConnectError reports whether p refuses the CONNECT.
func isConnectError(p []byte) bool { return isType(p, '4') }

// isType is for packet types without an acknowledgement id; another namespace
// would begin with a slash.
func isType(p []byte, kind byte) bool {
	return len(p) >= 2 && p[0] == '4' && p[1] == kind && (len(p) == 2 || p[2] == '{')
}

// isPing reports whether p is an Engine.IO ping.
func isPing(p []byte) bool { return len(p) == 1 && p[0] == '2' }

// eventName returns the name of an EVENT of namespace /, nil for any other
// packet. Escapes are not decoded, so a name with \" in it is cut there; none of
// the names compared with has one.
func eventName(p []byte) []byte {
	if len(p) < 2 || p[0] != '4' || p[1] != '2' {
		return nil
	}
	p = p[2:]
	for len(p) > 0 && p[0] >= '0' && p[0] <= '9' {
		p = p[1:]
	}
	p, ok := bytes.CutPrefix(p, []byte(`["`))
	if !ok {
		return nil
	}
	name, _, ok := bytes.Cut(p, []byte(`"`))
	if !ok {
		return nil
	}
	return name
}

// replayed reports whether the bridge sends this event too, from the database.
func replayed(name []byte) bool {
	switch string(name) {
	case "message", "conversation", "messageStatus", "gap":
		return true
	}
	return false
}

// subscribes reports whether the event changes what the client subscribes to.
func subscribes(name []byte) bool {
	switch string(name) {
	case "subscribe:conversation", "unsubscribe:conversation":
		return true
	}
	return false
}
