package handover

import "time"

// bridgeState is how far the bridge is with a client.
type bridgeState int

const (
	absent  bridgeState = iota // no connection of the bridge's has accepted the client
	feeding                    // one has, and sends events; more may be committed than it has read
	settled                    // it had read all that was committed when ChatEngine accepted the client
	asked                      // a SyncEvent was sent, its SyncedEvent has not come
)

// progress follows the bridge from absent to its SyncedEvent. A lost connection
// and a new subscription set it back. Handover.mu guards it.
type progress struct {
	state     bridgeState
	settledAt time.Time // when the state became settled
	question  int       // the number of the last SyncEvent
}

func (p *progress) accepted() {
	if p.state == absent {
		p.state = feeding
	}
}

func (p *progress) lost() { p.state = absent }

// restart makes earlier questions void: the bridge has more to send.
func (p *progress) restart() { p.state = min(p.state, feeding) }

func (p *progress) fresh(now time.Time) {
	if p.state == feeding {
		p.state, p.settledAt = settled, now
	}
}

// due reports whether the bridge has been settled for d and is to be asked.
func (p *progress) due(now time.Time, d time.Duration) bool {
	return p.state == settled && now.Sub(p.settledAt) >= d
}

// ask returns the number of the next question.
func (p *progress) ask() int {
	p.state = asked
	p.question++
	return p.question
}

// answers reports whether n is the number of the question that is open.
func (p *progress) answers(n int) bool { return p.state == asked && n == p.question }
