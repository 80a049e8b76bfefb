package engineio

import (
	"context"
	"time"
)

// Shutdown refuses new handshakes, closes the sessions in random batches with
// the given pause between them (a batch of zero is all at once), each after its
// queue is written, and waits for every goroutine of the server. When ctx ends
// first, the rest is closed at once, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context, batch int, pause time.Duration) error {
	s.admission.close()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if batch <= 0 {
		batch = -1
	}
	for ctx.Err() == nil {
		left := s.Pick(-1)
		if len(left) == 0 {
			break
		}
		if batch > 0 && batch < len(left) {
			left = left[:batch]
		}
		for _, session := range left {
			session.Close(Shutdown)
		}
		s.await(ctx, left, pause)
	}
	left := s.Pick(-1)
	for _, session := range left {
		session.CloseNow(Shutdown)
	}
	s.poller.close()
	s.goroutines.wait()
	if len(left) > 0 {
		return ctx.Err()
	}
	return nil
}

// await waits until the sessions of a batch are closed, and the pause is over.
func (s *Server) await(ctx context.Context, batch []*Session, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for _, session := range batch {
		select {
		case <-session.Done():
		case <-ctx.Done():
			return
		}
	}
	if s.Len() == 0 {
		return
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
