package cluster

import (
	"testing"
	"time"
)

// TestOrdersOfOneMoment are two orders: a bridge that has one takes the other, where that
// came to Redis first.
func TestOrdersOfOneMoment(t *testing.T) {
	t.Parallel()
	at := time.Now()
	a, b := Order{Version: 1, At: at, By: "a", Text: "x"}, Order{Version: 1, At: at, By: "b", Text: "y"}
	if again := a; !a.same(&again) || a.rank() != b.rank() || a.same(&b) {
		t.Errorf("%+v and %+v", a, b)
	}
	if later := (Order{Version: 1, At: at.Add(time.Microsecond), By: "a", Text: "x"}); later.rank() <= a.rank() {
		t.Errorf("%s is no later than %s", later.rank(), a.rank())
	}
}
