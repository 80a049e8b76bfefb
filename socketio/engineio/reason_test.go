package engineio_test

import (
	"net/http"
	"regexp"
	"testing"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// Each reason has a label of its own, fit for metrics.
func TestReasonLabels(t *testing.T) {
	label := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[string]engineio.Reason{}
	for r := range engineio.NumReasons {
		if other, taken := seen[r.String()]; taken || !label.MatchString(r.String()) {
			t.Errorf("reason %d is %q, as is %d", r, r, other)
		}
		seen[r.String()] = r
	}
	if got := engineio.NumReasons.String(); got != "unknown" {
		t.Errorf("no reason is %q", got)
	}
}

// aborting ends each session as it opens.
type aborting struct{ closed chan engineio.Reason }

func (a aborting) Open(s *engineio.Session, _ *http.Request) engineio.Receiver {
	s.CloseNow(engineio.Shed)
	return a
}
func (a aborting) Message([]byte, bool)    {}
func (a aborting) Close(r engineio.Reason) { a.closed <- r }

// A session may be closed before it is open; its receiver is closed all the same.
func TestCloseNowInOpen(t *testing.T) {
	a := aborting{make(chan engineio.Reason, 2)}
	s, err := engineio.NewServer(engineio.DefaultOptions(), a)
	if err != nil {
		t.Fatal(err)
	}
	url := serveHTTP(t, s)
	if c, _, err := rawclient.TryDial(t, url+ws); err == nil {
		_, _, err = c.Conn.ReadMessage()
		for err == nil { // the open packet may have got out
			_, _, err = c.Conn.ReadMessage()
		}
	}
	sid := rawclient.SID(t, rawclient.Do(t, "GET", url+"?EIO=4&transport=polling", "").Body)
	if r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling&sid="+sid, ""); r.Status != 400 {
		t.Errorf("status %d", r.Status)
	}
	for range 2 {
		if r := <-a.closed; r != engineio.Shed {
			t.Errorf("closed for %v", r)
		}
	}
	if st := s.Stats(); s.Len() != 0 || st.Polling != 0 || st.WebSocket != 0 || st.Closes[engineio.Shed] != 2 {
		t.Errorf("%d sessions, stats %+v", s.Len(), st)
	}
}
