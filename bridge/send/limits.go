package send

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxContent bounds a text, in bytes. WhatsApp takes 4,096 characters.
	maxContent = 64 << 10
	// openEach bounds the messages of one user that are on their way, openAll those of all.
	openEach, openAll = 20, 2000
	// readsEach is how many conversations may be marked as read for each message.
	readsEach = 4
	// maxRates bounds the users whose rate is remembered.
	maxRates = 20_000
)

// user identifies a sender.
type user struct{ workspace, user string }

// rates bounds how many messages each user may send: a minute's worth at once. The
// Sender's mu guards it.
type rates struct {
	perMinute int // 0: no bound
	each      map[user]*rate.Limiter
	open      map[user]int
	all       int
}

func newRates(perMinute int) rates {
	return rates{perMinute: perMinute, each: make(map[user]*rate.Limiter), open: make(map[user]int)}
}

// take takes one message of a user's share, until leave.
func (r *rates) take(u user, now time.Time) *Fault {
	if r.open[u] >= openEach || r.all >= openAll {
		return &Fault{CodeRate, "too many messages are on their way; wait for them, then send this one again"}
	}
	if r.perMinute > 0 && !r.of(u, now).AllowN(now, 1) {
		return &Fault{CodeRate, "too many messages in a minute; send this one again in a moment"}
	}
	r.open[u]++
	r.all++
	return nil
}

func (r *rates) leave(u user) {
	if r.all--; r.open[u] > 1 {
		r.open[u]--
	} else {
		delete(r.open, u)
	}
}

func (r *rates) of(u user, now time.Time) *rate.Limiter {
	l := r.each[u]
	if l == nil {
		if len(r.each) >= maxRates {
			for known, l := range r.each {
				if l.TokensAt(now) >= float64(r.perMinute) {
					delete(r.each, known)
				}
			}
		}
		l = rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)
		r.each[u] = l
	}
	return l
}
