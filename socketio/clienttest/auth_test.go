package clienttest_test

import (
	"encoding/json"
	"testing"
)

// TestRefused: a CONNECT_ERROR reaches the client with its code, the client
// does not try again by itself, and with another token it gets in.
func TestRefused(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		c := k.start(t)
		c.connect(s.url(), crm("bad", nil))
		r := c.await("connect_error")
		if r.Message != "invalid token" || string(r.Data) != `{"code":"token_invalid"}` {
			t.Errorf("refused with %q, %s", r.Message, r.Data)
		}
		c.Tell(map[string]any{"do": "login", "token": "good"})
		c.await("connect")
		if st := s.Stats(); st.ConnectErrors != 1 || st.SocketConnects != 1 {
			t.Errorf("%d refused, %d accepted; want 1 of each", st.ConnectErrors, st.SocketConnects)
		}
	})
}

// TestRetried: a client whose OnAuth returned ErrRetry comes back by itself.
func TestRetried(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := startServer(t, testOptions())
		s.retry.Store(true)
		c := k.start(t)
		c.connect(s.url(), crm("good", options{"reconnectionDelay": 100}))
		for {
			if r := c.await("reconnect_attempt"); r.Attempt >= 1 {
				break
			}
		}
		s.retry.Store(false)
		c.await("connect")
		if st := s.Stats(); st.AuthRetries == 0 || st.ConnectErrors != 0 {
			t.Errorf("%d retries, %d refusals; want some and none", st.AuthRetries, st.ConnectErrors)
		}
	})
}

func decode[T any](t *testing.T, b json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("decode %s: %v", b, err)
	}
	return v
}
