package socketio

import (
	"slices"
	"strconv"
	"strings"

	"chatbridge/socketio/engineio"
)

// packetLog keeps the packets of a namespace for clients that come back, as Node's
// in-memory adapter does: each has an offset, its last argument, and a client that
// names the offset it saw last gets those after it. Namespace.mu guards it.
type packetLog struct {
	maxPackets, maxBytes int

	epoch   string // offsets of another process are not ours
	first   uint64 // the number of entries[0]
	entries []*logged
	bytes   int
}

// logged is a packet and whom it was for: nil rooms are all.
type logged struct {
	packet *Packet
	rooms  []string
}

func newPacketLog(maxPackets, maxBytes int) *packetLog {
	return &packetLog{maxPackets: maxPackets, maxBytes: maxBytes, epoch: engineio.NewID()[:8]}
}

// add keeps p and returns it with its offset.
func (l *packetLog) add(p *Packet, rooms []string) *Packet {
	number := l.first + uint64(len(l.entries))
	p = p.withArgument(l.epoch + "." + strconv.FormatUint(number, 36))
	l.entries = append(l.entries, &logged{p, slices.Clone(rooms)})
	l.bytes += p.Size()
	drop := 0
	for len(l.entries)-drop > l.maxPackets || l.bytes > l.maxBytes && drop < len(l.entries) {
		l.bytes -= l.entries[drop].packet.Size()
		l.entries[drop] = nil
		drop++
	}
	l.entries = l.entries[drop:] // append moves them when their array ends
	l.first += uint64(drop)
	return p
}

// after returns the packets after an offset; false if that is not in the log.
func (l *packetLog) after(offset string) ([]*logged, bool) {
	epoch, digits, _ := strings.Cut(offset, ".")
	number, err := strconv.ParseUint(digits, 36, 64)
	if epoch != l.epoch || err != nil || number < l.first || number-l.first >= uint64(len(l.entries)) {
		return nil, false
	}
	return l.entries[number-l.first+1:], true
}

// meant reports whether the packet was for a socket that is in its rooms now.
func (l *logged) meant(s *Socket) bool {
	return len(l.rooms) == 0 || slices.ContainsFunc(l.rooms, func(name string) bool {
		r := s.namespace.rooms[name]
		return name == s.id || r != nil && s.in(r) >= 0
	})
}

// sendLogged sends p to one socket and keeps it for that.
func (n *Namespace) sendLogged(s *Socket, p *Packet) error {
	n.mu.Lock()
	if s.gone.Load() {
		n.mu.Unlock()
		return ErrClosed
	}
	p = n.log.add(p, []string{s.id})
	v := s.session.Offer(&p.message)
	n.mu.Unlock()
	switch v {
	case engineio.Queued:
		return nil
	case engineio.Ended:
		return ErrClosed
	default:
		return s.full(p, v)
	}
}
