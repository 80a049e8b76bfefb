package postgres

import (
	"testing"
	"time"
)

func TestRefusalsAreTriedSoonAtFirst(t *testing.T) {
	for code, slow := range map[string]time.Duration{"28P01": 30 * time.Second, tooMany: refusedSoon} {
		r := Refusals{Min: 200 * time.Millisecond, Slow: 30 * time.Second}
		var waited, pause time.Duration
		for waited < refusedFor {
			pause = r.Next(code, t0.Add(waited))
			if pause > refusedSoon*5/4 {
				t.Errorf("%s: a pause of %v after %v", code, pause, waited)
			}
			waited += pause
		}
		for range 10 {
			pause = r.Next(code, t0.Add(waited))
		}
		if pause < slow*3/4 || pause > slow*5/4 {
			t.Errorf("%s: in the end a pause of %v, want about %v", code, pause, slow)
		}
	}
}
