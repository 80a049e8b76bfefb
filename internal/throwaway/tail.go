package throwaway

import (
	"io"
	"sync"
)

// tailLen is how many bytes of a server's output an error shows.
const tailLen = 4 << 10

// tail keeps the end of what is written to it and passes all of it on. It may
// be used from any goroutine.
type tail struct {
	mu   sync.Mutex
	last []byte
	next io.Writer
}

// Write never fails: a reader that is gone must not end the server.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if over := len(t.last) - tailLen; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	if t.next != nil {
		_, _ = t.next.Write(b)
	}
	return len(b), nil
}

// String returns the end of what was written.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.last)
}
