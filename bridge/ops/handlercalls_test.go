package ops

import (
	"errors"
	"testing"

	"chatbridge/source"
)

// blocking is a Handler whose Change does not return until leave is sent to.
type blocking struct{ entered, leave chan struct{} }

func (b *blocking) Begin(source.Tx) error { return nil }
func (b *blocking) Change(*source.Change) error {
	b.entered <- struct{}{}
	<-b.leave
	return nil
}
func (b *blocking) Commit(source.Tx) error { return errors.New("refused") }
func (b *blocking) Gap(source.Gap) error   { return nil }

// TestProgress: an idle pipeline and a busy one are alive, one that a change does
// not come out of is not, and it recovers when it does.
func TestProgress(t *testing.T) {
	b := &blocking{make(chan struct{}), make(chan struct{})}
	p := &Progress{Handler: b}
	for range 3 {
		if err := p.check(); err != nil {
			t.Fatalf("idle: %v", err)
		}
	}
	change := func() chan error {
		done := make(chan error, 1)
		go func() { done <- p.Change(nil) }()
		<-b.entered
		return done
	}
	// One change after the other: never the same one at two checks.
	for range 3 {
		done := change()
		if err := p.check(); err != nil {
			t.Errorf("busy: %v", err)
		}
		b.leave <- struct{}{}
		<-done
	}
	done := change()
	if err := p.check(); err != nil {
		t.Errorf("the first check at a change: %v", err)
	}
	for range 2 {
		if err := p.check(); !errors.Is(err, errStuck) {
			t.Errorf("a change that stays: %v", err)
		}
	}
	b.leave <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := p.check(); err != nil {
		t.Errorf("after it came out: %v", err)
	}
	if err := p.Commit(source.Tx{}); err == nil || err.Error() != "refused" {
		t.Errorf("the handler's error came back as %v", err)
	}
	if p.Begin(source.Tx{}) != nil || p.Gap(source.Gap{}) != nil || p.check() != nil {
		t.Error("calls that return count as alive")
	}
}
