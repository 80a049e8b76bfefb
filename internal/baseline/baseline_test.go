package baseline_test

import (
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/baseline"
)

// kept is what the test has on the heap for a while.
var kept []byte

// TestWhatIsLeftIsFound: a goroutine, a descriptor, ten megabytes; and that nothing is
// once they have gone.
func TestWhatIsLeftIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		says string
		// take begins to use something until the function that it returns is called.
		take func(t *testing.T) (end func())
	}{
		"goroutine": {"baseline_test.waits", func(*testing.T) func() {
			over := make(chan struct{})
			go waits(over)
			return func() { close(over) }
		}},
		"descriptor": {"/dev/null", func(t *testing.T) func() {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = f.Close() }
		}},
		"descriptor that nobody has": {"socket:", func(t *testing.T) func() {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = l // closed once it is collected
			return runtime.GC
		}},
		"memory": {"the heap has 10", func(*testing.T) func() {
			kept = make([]byte, 10<<20)
			return func() { kept = nil }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := baseline.Take(t)
			end := tt.take(t)
			if err := b.Returned(20 * time.Millisecond); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want an error that has %q", err, tt.says)
			}
			end()
			b.Await(t)
		})
	}
}

// TestWhatEndsLaterIsWaitedFor.
func TestWhatEndsLaterIsWaitedFor(t *testing.T) {
	b := baseline.Take(t)
	over := make(chan struct{})
	go waits(over)
	time.AfterFunc(20*time.Millisecond, func() { close(over) })
	b.Await(t)
}

func waits(over <-chan struct{}) { <-over }
