package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/access"
)

// TestRefusedOriginsAreLogged: one by one at first, later in sums, however many and
// long they are.
func TestRefusedOriginsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, nil))
		s := &Server{log: log, logged: logOnce{log: log}}
		none, err := access.NewOrigins(nil)
		if err != nil {
			t.Fatal(err)
		}
		s.SetOrigins(none)
		refuse := func(from, to int) {
			for i := from; i < to; i++ {
				for range 2 {
					if s.checkOrigin(fmt.Sprintf("https://%d.example", i)) {
						t.Fatal("an origin was admitted")
					}
				}
			}
		}
		// lines waits for the next sum, and returns what was logged since the last call.
		lines := func() []string {
			time.Sleep(logInterval)
			synctest.Wait()
			defer b.Reset()
			return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		}
		refuse(0, maxLogged)
		if got := lines(); len(got) != maxLogged {
			t.Errorf("%d lines, want %d", len(got), maxLogged)
		}
		refuse(0, maxLogged+500)
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "refusals=1000") || !strings.Contains(got[0], "https://699.example") {
			t.Errorf("logged %q, want one sum", got)
		}
		s.checkOrigin("https://" + strings.Repeat("x", 100_000))
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "refusals=1 ") || len(got[0]) > 2*maxLoggedText {
			t.Errorf("logged %.1000q, want another sum", got)
		}
	})
}
