package api

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ends counts how often an expiry has ended its client, and says when.
type ends struct {
	mu sync.Mutex
	at []time.Duration
}

func (e *ends) note(at time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = append(e.at, at)
}

// expiring runs f in a world of its own time, with an expiry that notes its
// ends. The world's time is the one since its start.
func expiring(t *testing.T, f func(e *expiry, set func(in, grace time.Duration), ended *ends)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start, ended := time.Now(), new(ends)
		e := new(expiry)
		f(e, func(in, grace time.Duration) {
			e.set(time.Now().Add(in), grace, func() { ended.note(time.Since(start)) })
		}, ended)
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

func (e *ends) want(t *testing.T, at ...time.Duration) {
	t.Helper()
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.at) != len(at) || len(at) > 0 && e.at[0] != at[0] {
		t.Errorf("the client was ended at %v, want %v", e.at, at)
	}
}

func TestExpiryEndsAfterTheGrace(t *testing.T) {
	expiring(t, func(_ *expiry, set func(in, grace time.Duration), ended *ends) {
		set(10*time.Second, 5*time.Second)
		time.Sleep(15*time.Second - 1)
		ended.want(t)
		time.Sleep(time.Nanosecond)
		ended.want(t, 15*time.Second)
	})
	expiring(t, func(_ *expiry, set func(in, grace time.Duration), ended *ends) {
		set(-10*time.Second, 5*time.Second) // it was over before it came
		ended.want(t, 0)
	})
}

// TestAFreshTokenMovesTheExpiry: what was set before does not end it any more.
func TestAFreshTokenMovesTheExpiry(t *testing.T) {
	expiring(t, func(_ *expiry, set func(in, grace time.Duration), ended *ends) {
		set(10*time.Second, 0)
		time.Sleep(5 * time.Second)
		set(60*time.Second, 0)
		time.Sleep(50 * time.Second)
		ended.want(t)
		time.Sleep(time.Minute)
		ended.want(t, 65*time.Second)
	})
}

// TestExpiryOfAClientThatLeft: neither the timer that runs nor one that a late
// answer sets.
func TestExpiryOfAClientThatLeft(t *testing.T) {
	expiring(t, func(e *expiry, set func(in, grace time.Duration), ended *ends) {
		set(10*time.Second, 0)
		e.stop()
		set(10*time.Second, 0)
		time.Sleep(time.Minute)
		ended.want(t)
	})
}

// TestTokensThatKeepTheirClient: one without an end, and any where the
// configuration keeps clients.
func TestTokensThatKeepTheirClient(t *testing.T) {
	expiring(t, func(e *expiry, set func(in, grace time.Duration), ended *ends) {
		e.set(time.Time{}, time.Second, func() { ended.note(0) })
		time.Sleep(time.Minute)
		ended.want(t)
		set(time.Second, -1)
		time.Sleep(time.Minute)
		ended.want(t)
		// What was set before is disarmed by it.
		set(time.Second, time.Second)
		e.set(time.Time{}, time.Second, nil)
		time.Sleep(time.Minute)
		ended.want(t)
	})
}
