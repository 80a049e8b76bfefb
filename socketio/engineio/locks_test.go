package engineio_test

import (
	"net/http"
	"testing"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// lockTaker is an application whose callbacks take every lock of the server and the
// session. One that is held when they are called shows as a test that hangs.
type lockTaker struct {
	server *engineio.Server
	calls  chan string
}

func (l *lockTaker) take(s *engineio.Session, call string) {
	_, _, _, _ = s.Transport(), s.Closed(), s.Done(), s.Send(engineio.NewMessage([]byte(call)))
	s.Pause(false)
	_, _, _ = l.server.Stats(), l.server.Len(), l.server.Knows(s.ID())
	l.calls <- call
}

func (l *lockTaker) Open(s *engineio.Session, _ *http.Request) engineio.Receiver {
	l.take(s, "open")
	return &lockReceiver{l, s}
}

type lockReceiver struct {
	*lockTaker
	session *engineio.Session
}

func (r *lockReceiver) Message([]byte, bool)  { r.take(r.session, "message") }
func (r *lockReceiver) Close(engineio.Reason) { r.take(r.session, "close") }

func TestCallbacksRunWithoutLocks(t *testing.T) {
	l := &lockTaker{calls: make(chan string, 6)}
	s, err := engineio.NewServer(engineio.DefaultOptions(), l)
	if err != nil {
		t.Fatal(err)
	}
	l.server = s
	url := serveHTTP(t, s)
	c := dial(t, url)
	c.Want("4open")
	c.Send("4in")
	c.Want("4message")
	_ = c.Conn.Close()
	p := rawclient.OpenPolling(t, url)
	p.Want("4open")
	p.WantPost("4in")
	p.Want("4message")
	p.WantPost("1")
	for range 6 {
		<-l.calls
	}
}
