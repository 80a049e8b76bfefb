package ops

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/internal/clientkey"
)

const (
	// wrongPerSecond is how many wrong tokens of a client address are answered 401 in a
	// second. Programs that have an old one ask more seldom.
	wrongPerSecond = 10
	// wrongBurst is how long there has to be no wrong token of an address until the next is a
	// burst of its own, which is logged; one that lasts is logged again after wrongAgain.
	wrongBurst = time.Minute
	wrongAgain = 10 * time.Minute
	// maxWrongLines is how many lines there are in a minute, whatever comes.
	maxWrongLines = 10
	// maxBursts bounds the addresses that are remembered; further ones are told of together.
	maxBursts = 1000
	// maxLoggedPath bounds what a line has of the request's path, in bytes.
	maxLoggedPath = 64
)

// WrongTokens counts, logs and rate-limits wrong values of admin.token. The right one always
// passes, also from an address that is slowed: operators and programs may share a proxy's. Run
// tells of what no line told of yet. The zero WrongTokens is ready; it is for concurrent use,
// and not to be copied.
type WrongTokens struct {
	refused, began atomic.Uint64
	shares         access.Shares

	mu     sync.Mutex
	bursts map[netip.Addr]*wrongOf // by clientkey.Of; mu guards it and what follows
	rest   uint64                  // of addresses that no line named
	minute time.Time               // that lines are counted of
	lines  int                     // in it
}

// wrongOf is a burst of one address.
type wrongOf struct {
	client       netip.Addr
	seen, logged time.Time // the newest, and the newest line
	unlogged     uint64    // since that line
}

// Bursts returns how many bursts began, each of one address. A nil WrongTokens had none.
func (w *WrongTokens) Bursts() uint64 {
	if w == nil {
		return 0
	}
	return w.began.Load()
}

// Refused returns how many there were. A nil WrongTokens had none.
func (w *WrongTokens) Refused() uint64 {
	if w == nil {
		return 0
	}
	return w.refused.Load()
}

// admits counts a wrong token, logs the first of an address's burst, and reports whether the
// address has a share left.
func (w *WrongTokens) admits(r *http.Request, trusted access.Addresses, log *slog.Logger) bool {
	w.refused.Add(1)
	w.shares.Set(wrongPerSecond)
	client := access.ClientAddr(r, trusted)
	if n := w.toLog(client, time.Now()); n > 0 {
		log.Warn("a wrong admin.token was shown on the admin listener", "remedy", "see who has an old one there, or tries to find it",
			"client", client, "path", r.URL.Path[:min(len(r.URL.Path), maxLoggedPath)], "wrong", n)
	}
	return w.shares.Take(client)
}

// toLog returns how many wrong tokens of a client a line has to tell of now; 0 where there is
// none to be written.
func (w *WrongTokens) toLog(client netip.Addr, now time.Time) uint64 {
	key := clientkey.Of(client)
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.bursts[key]
	if b == nil {
		if len(w.bursts) >= maxBursts {
			w.rest++
			return 0
		}
		if w.bursts == nil {
			w.bursts = make(map[netip.Addr]*wrongOf)
		}
		b = &wrongOf{}
		w.bursts[key] = b
	}
	idle := now.Sub(b.seen) >= wrongBurst
	if idle {
		w.began.Add(1)
	}
	b.client, b.seen = client, now
	b.unlogged++
	if !idle && now.Sub(b.logged) < wrongAgain || !w.lineLeft(now) {
		return 0
	}
	n := b.unlogged
	b.logged, b.unlogged = now, 0
	return n
}

// lineLeft takes one of the minute's lines, and reports whether there was one; w.mu is held.
func (w *WrongTokens) lineLeft(now time.Time) bool {
	if now.Sub(w.minute) >= time.Minute {
		w.minute, w.lines = now, 0
	}
	if w.lines >= maxWrongLines {
		return false
	}
	w.lines++
	return true
}

// Run tells of bursts that are over until ctx ends, and of the rest then. It returns nil.
func (w *WrongTokens) Run(ctx context.Context, log *slog.Logger) error {
	tick := time.NewTicker(wrongBurst)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			w.tell(time.Now(), 0, log)
			return nil
		case <-tick.C:
			w.tell(time.Now(), wrongBurst, log)
		}
	}
}

// tell forgets the bursts that have been idle for that long, and logs what was not logged of
// them.
func (w *WrongTokens) tell(now time.Time, idle time.Duration, log *slog.Logger) {
	var over []wrongOf
	w.mu.Lock()
	for key, b := range w.bursts {
		if now.Sub(b.seen) < idle {
			continue
		}
		delete(w.bursts, key)
		switch {
		case b.unlogged == 0:
		case w.lineLeft(now):
			over = append(over, *b)
		default:
			w.rest += b.unlogged
		}
	}
	rest := w.rest
	w.rest = 0
	w.mu.Unlock()
	for _, b := range over {
		log.Warn("no more wrong values of admin.token come from an address", "client", b.client, "wrong", b.unlogged)
	}
	if rest > 0 {
		log.Warn("wrong values of admin.token came from more addresses than lines name", "remedy", "keep the admin listener off the network that they come from", "wrong", rest)
	}
}

// refuse answers 429, a moment late, who has shown too many.
func (w *WrongTokens) refuse(rw http.ResponseWriter, r *http.Request) {
	w.shares.Hold(r.Context())
	rw.Header().Set("Retry-After", "1")
	rw.Header().Set("Connection", "close")
	http.Error(rw, "too many wrong values of admin.token from this address; the right one is still taken", http.StatusTooManyRequests)
}

// shownToken is the token that a request shows; "" for none.
func shownToken(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	return auth.Bearer(r.Header)
}

// sameToken takes as long for a wrong token, of whatever length, as for the right one.
func sameToken(shown, token string) bool {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
