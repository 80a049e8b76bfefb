package engineio

import (
	"context"
	"time"
)

// Shutdown refuses new handshakes, closes the sessions in random batches with
// the given pause between them (a batch of zero is all at once), each after its
// queue is written, and waits for every goroutine of the server. When ctx ends
// first, the rest is cut off, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context, batch int, pause time.Duration) error {
	s.admission.close()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if batch <= 0 {
		batch = -1
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		for _, session := range s.Pick(-1) {
			session.Abort(Shutdown)
		}
		close(ended)
	})
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
	if !stop() {
		<-ended
	}
	s.poller.close()
	s.goroutines.wait()
	return ctx.Err()
}

// await waits until the sessions of a batch have ended, and the pause is over.
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
