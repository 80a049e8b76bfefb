package postgres

import (
	"testing"
	"time"
)

func TestHolderTimeout(t *testing.T) {
	var h holder
	for i, c := range []struct {
		pid   uint32
		reply string
		at    float64
		want  time.Duration
	}{
		{1, "a", 0, 0},
		{1, "a", 3, 3 * time.Second},
		{1, "b", 4, 0}, // whatever the time in it is
		{1, "b", 5, time.Second},
		{2, "b", 6, 0}, // another one
		{2, "", 7, 0},  // it has not reported yet
		{2, "", 9, 2 * time.Second},
	} {
		if got := h.observe(c.pid, c.reply, at(c.at)); got != c.want {
			t.Errorf("observation %d: the reply is %v old, want %v", i+1, got, c.want)
		}
	}
}
