package handover

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chatbridge/internal/jsonscan"
)

// A page that has been at ChatEngine has messages under ChatEngine's ids, so from
// then on the bridge gives it all that comes after its Since under them: ids that
// change from one stretch to the next would be two messages to an older CRM. The
// page brings its Since along as the last part of its private id, which the client
// of Socket.IO sends whenever it connects again: the bridge puts it into the ids that
// it gives, the hand-over into ChatEngine's CONNECT, where ChatEngine gives none:
//
//	the bridge: <when it began>.<random>.<Since>.<from where it is owed all, see bridge/hub>
//	ChatEngine: _.<random>.<Since>.<since when it lacks what it is sent, see below>
//
// The last part is when the connection to ChatEngine began, or earlier by what the page
// missed and is sent during the hand-over. A gateway that does not know when a connection
// ended (it lost its file, has forgotten it, or it is another one) goes by that: the page
// cannot have been cut earlier. It is in milliseconds since 1970, to the base 36.

// SinceHeader has the Since of a feed's client, for which it may have begun just
// now. It counts only with Header.
const SinceHeader = "X-Bridge-Since"

// engine is what the private ids begin with that are put into ChatEngine's CONNECT.
const engine = "_."

// SinceOf returns the Since of a private id, "" for none. It comes from the client.
func SinceOf(pid string) string {
	parts := strings.Split(pid, ".")
	if len(parts) != 3 && len(parts) != 4 || len(parts[2]) > maxSince || strings.ContainsFunc(parts[2], notOfSince) {
		return ""
	}
	return parts[2]
}

// maxSince bounds a Since, in bytes.
const maxSince = 64

func notOfSince(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// OfEngine reports whether a private id was given at ChatEngine: an offset that comes
// with it tells nothing of what the client received since it was there.
func OfEngine(pid string) bool { return strings.HasPrefix(pid, engine) }

// sinceOf returns the Since of a client's CONNECT packet.
func sinceOf(packet []byte) string {
	pid, _ := member(packet, "pid")
	return SinceOf(text(pid))
}

// withSince returns ChatEngine's CONNECT packet with a private id of that Since and of
// since when the client lacks something, and the id; the packet is nil where it has one
// of ChatEngine's own.
func withSince(packet []byte, since string, owed time.Time) (out []byte, pid string) {
	end := bytes.LastIndexByte(packet, '}')
	if _, ok := member(packet, "sid"); !ok || end < 0 {
		return nil, ""
	}
	if own, ok := member(packet, "pid"); ok {
		return nil, text(own)
	}
	pid = engine + rand.Text() + "." + since + "." + strconv.FormatInt(max(owed.UnixMilli(), 0), 36)
	out = append(out, packet[:end]...)
	out = append(out, `,"pid":`...)
	out = jsonscan.AppendString(out, []byte(pid))
	return append(out, packet[end:]...), pid
}

// member returns a member of the data of a CONNECT packet.
func member(packet []byte, name string) ([]byte, bool) {
	for it := jsonscan.Iterate(packet[min(2, len(packet)):]); it.Next() && it.Key != nil; {
		if jsonscan.KeyIs(it.Key, name) {
			return it.Value, true
		}
	}
	return nil, false
}

// SinceOfRequest returns the Since of who connects with these headers and this
// private id, "" for none.
func SinceOfRequest(h http.Header, pid string) string {
	if since := h.Get(SinceHeader); since != "" && IsFeed(h) {
		return since
	}
	return SinceOf(pid)
}
