package realtime

import "time"

// Timing is the protocol's times, each with its default where zero.
type Timing struct {
	// Heartbeat is the interval of heartbeats, which the server needs to see
	// (it closes after 60 s without a byte). Default 25 s.
	Heartbeat time.Duration
	// HeartbeatTimeout is how long a heartbeat may stay unanswered before the
	// connection counts as half open; it does not run while a join is
	// pending, for a join blocks the socket on the server. Default 45 s.
	HeartbeatTimeout time.Duration
	// Read is how long nothing at all may come in. Default 70 s.
	Read time.Duration
	// Write bounds one write. Default 10 s.
	Write time.Duration
	// Handshake bounds dialling; the server delays a refusal by 2 s. Default
	// 20 s.
	Handshake time.Duration
	// Join is how long a join may stay unanswered. The server may wait 30 s
	// for a database and then 5 s more to refuse. Default 40 s.
	Join time.Duration
	// Subscribe is how long after the join the subscription may take.
	// Default 30 s.
	Subscribe time.Duration
	// Refused is the wait before asking again for what was refused for good.
	// Default 60 s.
	Refused time.Duration
	// MinRetry and MaxRetry bound the wait before a redial or a rejoin: it
	// doubles from the one to the other, with jitter. Defaults 1 s and 30 s.
	MinRetry, MaxRetry time.Duration
	// Stable is how long a subscription must have held for that wait to start
	// over. Default 60 s.
	Stable time.Duration
	// Grace is what a difference is given to arrive by the stream before it
	// is read back. Realtime took up to 0.65 s when idle. Default 3 s.
	Grace time.Duration
	// Cold is the wait before reading back again after a subscription that
	// took long to be registered, for then the server's slot may have been
	// made later still. Default 5 s.
	Cold time.Duration
	// Hold is the longest that streamed changes wait after a gap for what
	// went before them to be read back. Default 5 s.
	Hold time.Duration
	// Linger is how long the newest changes wait for more of the same
	// transaction, whose end the server does not mark. Default 10 ms.
	Linger time.Duration
	// KeyCheck is how often KeyFunc is asked. Default 60 s.
	KeyCheck time.Duration
}

func (t *Timing) setDefaults() {
	orDefault(&t.Heartbeat, 25*time.Second)
	orDefault(&t.HeartbeatTimeout, 45*time.Second)
	orDefault(&t.Read, 70*time.Second)
	orDefault(&t.Write, 10*time.Second)
	orDefault(&t.Handshake, 20*time.Second)
	orDefault(&t.Join, 40*time.Second)
	orDefault(&t.Subscribe, 30*time.Second)
	orDefault(&t.Refused, time.Minute)
	orDefault(&t.Stable, time.Minute)
	orDefault(&t.Grace, 3*time.Second)
	orDefault(&t.Cold, 5*time.Second)
	orDefault(&t.Hold, 5*time.Second)
	orDefault(&t.Linger, 10*time.Millisecond)
	orDefault(&t.KeyCheck, time.Minute)
	orDefault(&t.MinRetry, time.Second)
	orDefault(&t.MaxRetry, 30*time.Second)
}

// orDefault replaces a value that is not positive.
func orDefault[T ~int | ~int64](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}
