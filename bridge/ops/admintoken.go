package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
)

const (
	// wrongPerSecond is how many wrong tokens of a client address are answered 401 in a
	// second. Programs that have an old one ask more seldom.
	wrongPerSecond = 10
	// wrongBurst is how long there has to be no wrong token until the next is a burst of
	// its own, which is logged; one that lasts is logged again after wrongAgain.
	wrongBurst = time.Minute
	wrongAgain = 10 * time.Minute
	// maxLoggedPath bounds what a line has of the request's path, in bytes.
	maxLoggedPath = 64
)

// WrongTokens counts, logs and slows the wrong values of admin.token. The right one always
// passes, also from an address that is slowed: operators and programs may share a proxy's.
// The zero WrongTokens is ready; it is for concurrent use, and not to be copied.
type WrongTokens struct {
	refused atomic.Uint64
	shares  access.Shares

	mu           sync.Mutex
	seen, logged time.Time // the newest, and the newest line; mu guards them
	unsaid       uint64    // since that line
}

// Refused returns how many there were. A nil WrongTokens had none.
func (w *WrongTokens) Refused() uint64 {
	if w == nil {
		return 0
	}
	return w.refused.Load()
}

// admits counts a wrong token, logs the first of a burst, and reports whether its address
// has a share left.
func (w *WrongTokens) admits(r *http.Request, trusted access.Addresses, log *slog.Logger) bool {
	w.refused.Add(1)
	w.shares.Set(wrongPerSecond)
	client := access.ClientAddr(r, trusted)
	if n := w.toLog(time.Now()); n > 0 {
		log.Warn("a wrong admin.token was shown on the admin listener", "remedy", "see who has an old one there, or tries to find it",
			"client", client, "path", r.URL.Path[:min(len(r.URL.Path), maxLoggedPath)], "wrong", n)
	}
	return w.shares.Take(client)
}

// toLog returns how many wrong tokens a line has to tell of now; 0 where there is none to be
// written.
func (w *WrongTokens) toLog(now time.Time) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaid++
	quiet := now.Sub(w.seen) >= wrongBurst
	w.seen = now
	if !quiet && now.Sub(w.logged) < wrongAgain {
		return 0
	}
	n := w.unsaid
	w.logged, w.unsaid = now, 0
	return n
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
