package console

import (
	"math"
	"strconv"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/mapping/contract"
)

// series are what is kept of each sample, by their names in the answer.
type series int

const (
	seriesMessage series = iota // the first four: events a second
	seriesConversation
	seriesStatus
	seriesTyping
	seriesP50      // commit to client, in seconds
	seriesP99      // the same
	seriesLag      // of the source, in seconds
	seriesBehind   // the same, in bytes
	seriesClients  // connected here
	seriesProxied  // and at ChatEngine, through the gateway
	seriesQueued   // bytes that wait for clients
	seriesHeld     // bytes of WAL that the slot holds back
	seriesPackets  // to clients, a second
	seriesRefused  // refusals a second, whatever was refused
	seriesClosed   // connections ended a second
	seriesCatching // clients that are being caught up
	seriesLevel    // the worst Level since the sample before
	seriesCount
)

var seriesNames = [seriesCount]string{
	"message", "conversation", "messageStatus", "typing", "p50", "p99", "lag", "behind", "clients", "proxied", "queued", "held",
	"packets", "refused", "closed", "catchingUp", "level",
}

const (
	// step is the time between samples, and span how many are kept: an hour.
	step = 5 * time.Second
	span = int(time.Hour / step)
)

// sample is one moment. A value that is not known is NaN.
type sample struct {
	at     int64 // Unix time in milliseconds
	values [seriesCount]float32
}

// history is a ring of samples.
type history struct {
	samples [span]sample
	n       uint64 // samples ever added
}

func (h *history) add(s sample) {
	h.samples[h.n%uint64(span)] = s
	h.n++
}

// after returns the samples with numbers above n, oldest first, as columns.
func (h *history) after(n uint64) columns {
	if n > h.n || h.n-n > uint64(span) {
		n = h.n - min(h.n, uint64(span))
	}
	c := columns{Last: h.n, Step: int(step / time.Millisecond), Span: span, At: make([]int64, 0, h.n-n), Series: make(map[string][]number, seriesCount)}
	for i := n; i < h.n; i++ {
		s := &h.samples[i%uint64(span)]
		c.At = append(c.At, s.at)
		for k, v := range s.values {
			c.Series[seriesNames[k]] = append(c.Series[seriesNames[k]], number(v))
		}
	}
	return c
}

// columns is a part of the history as the page gets it.
type columns struct {
	// Last is the number of the newest sample, to ask on from.
	Last   uint64              `json:"last"`
	Step   int                 `json:"stepMilliseconds"`
	Span   int                 `json:"span"`
	At     []int64             `json:"at"`
	Series map[string][]number `json:"series"`
}

// number is null in JSON where it is not known, and has six digits.
type number float32

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(n)) || math.IsInf(float64(n), 0) {
		return []byte("null"), nil
	}
	// Rounded to six digits, and never with an exponent that JSON has not.
	return strconv.AppendFloat(nil, float64(n), 'g', 6, 32), nil
}

// rates are what passed a second between two Snapshots.
type rates struct {
	events                           [contract.Typing + 1]float64
	transactions, rows, wal, packets float64
	refused, closed                  float64
	p50, p99                         float64 // commit to client, in seconds
}

// unknownRates are those before there are two Snapshots.
func unknownRates() rates {
	nan := math.NaN()
	r := rates{transactions: nan, rows: nan, wal: nan, packets: nan, refused: nan, closed: nan, p50: nan, p99: nan}
	for i := range r.events {
		r.events[i] = nan
	}
	return r
}

// between are the rates from before to now.
func between(before, now *ops.Snapshot) rates {
	seconds := now.Taken.Sub(before.Taken).Seconds()
	if seconds <= 0 {
		return unknownRates()
	}
	per := func(b, n uint64) float64 { return float64(n-min(b, n)) / seconds }
	var r rates
	for i := range r.events {
		r.events[i] = per(before.Hub.Published[i], now.Hub.Published[i])
	}
	r.packets = per(before.Sockets.PacketsOut, now.Sockets.PacketsOut)
	r.rows = per(rowsOf(before), rowsOf(now))
	r.transactions, r.wal = math.NaN(), math.NaN()
	if b, n := before.Postgres, now.Postgres; b != nil && n != nil {
		r.transactions, r.wal = per(b.Transactions, n.Transactions), per(b.Bytes, n.Bytes)
	}
	r.refused, r.closed = per(refused(before), refused(now)), per(closesOf(before), closesOf(now))
	r.p50, r.p99 = commitToClient(before, now, .5), commitToClient(before, now, .99)
	return r
}

// refused counts what was turned away: neither a client that was told of a gap nor a word
// that was sent under another name is.
func refused(s *ops.Snapshot) (n uint64) {
	for c, times := range countRefusals(s) {
		if c.of != "gap" && c.of != unknownWord {
			n += times
		}
	}
	return n
}

func rowsOf(s *ops.Snapshot) (n uint64) {
	for _, r := range s.Pipeline.Mapping.Rows {
		n += r.N
	}
	return n
}

func closesOf(s *ops.Snapshot) (n uint64) {
	for _, c := range s.Sockets.Closes {
		n += c
	}
	return n
}

// allEvents is the rate of all events.
func (r *rates) allEvents() (sum float64) {
	for _, e := range r.events {
		sum += e
	}
	return sum
}

// sampleOf is the sample for a Snapshot with the rates since the one before.
func sampleOf(s *ops.Snapshot, r *rates, level Level) sample {
	unknown := math.NaN()
	lag, behind, held, proxied := s.Source.Lag, float64(s.Source.LagBytes), unknown, unknown
	if behind < 0 {
		behind = unknown
	}
	if !s.Source.Flowing {
		// Nobody can tell how far behind: what is known is how long it has been.
		lag = unknown
		if !s.Source.FlowedUntil.IsZero() {
			lag = s.Taken.Sub(s.Source.FlowedUntil).Seconds()
		}
	}
	if p := s.Postgres; p != nil && p.Slot != nil {
		held = float64(p.Slot.HeldBack)
	}
	if s.Gateway != nil {
		proxied = float64(s.Gateway.Websockets)
	}
	values := [seriesCount]float64{
		seriesMessage: r.events[contract.Message], seriesConversation: r.events[contract.Conversation],
		seriesStatus: r.events[contract.MessageStatus], seriesTyping: r.events[contract.Typing],
		seriesP50: r.p50, seriesP99: r.p99, seriesLag: lag, seriesBehind: behind,
		seriesClients: float64(s.Connected()), seriesProxied: proxied, seriesQueued: float64(s.Sockets.QueuedBytes), seriesHeld: held,
		seriesPackets: r.packets, seriesRefused: r.refused, seriesClosed: r.closed, seriesCatching: float64(s.Hub.Catching),
		seriesLevel: float64(level),
	}
	out := sample{at: s.Taken.UnixMilli()}
	for i, v := range values {
		out.values[i] = float32(v)
	}
	return out
}
