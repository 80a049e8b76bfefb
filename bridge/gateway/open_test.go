package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestNoOpenPacket: a ChatEngine that upgrades and then says nothing, or is
// gone, has not opened a session. The bridge does, in the same request.
func TestNoOpenPacket(t *testing.T) {
	for name, after := range map[string]func(*websocket.Conn){
		"closes": func(*websocket.Conn) {},
		"hangs":  func(conn *websocket.Conn) { _, _, _ = conn.ReadMessage() },
	} {
		t.Run(name, func(t *testing.T) {
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
				if err != nil { // the probe
					return
				}
				defer conn.Close()
				after(conn)
			}))
			t.Cleanup(engine.Close)
			o := impatient(fast(engine.URL))
			o.Local = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				if err := conn.WriteMessage(websocket.TextMessage, []byte("0 of the bridge")); err != nil {
					t.Error(err)
				}
			})
			g := run(t, o)
			conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(g.url, "http")+"/api/ws/?EIO=4&transport=websocket", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, p, err := conn.ReadMessage(); err != nil || string(p) != "0 of the bridge" {
				t.Errorf("read %q, %v; want the bridge's open packet", p, err)
			}
		})
	}
}

// TestUpgradeOfPollingWaitsForNothing: there the client speaks first.
func TestUpgradeOfPollingWaitsForNothing(t *testing.T) {
	probed := make(chan string, 1)
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if r.URL.Query().Get("sid") == "" {
			return
		}
		_, p, err := conn.ReadMessage()
		if err != nil {
			t.Error(err)
		}
		probed <- string(p)
		if err := conn.WriteMessage(websocket.TextMessage, []byte("3probe")); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(engine.Close)
	o := fast(engine.URL)
	o.HandshakeTimeout = time.Minute
	g := run(t, o)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(g.url, "http")+"/api/ws/?EIO=4&transport=websocket&sid=abc", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("2probe")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := conn.ReadMessage(); err != nil || string(p) != "3probe" {
		t.Errorf("read %q, %v", p, err)
	}
	if p := <-probed; p != "2probe" {
		t.Errorf("ChatEngine was asked %q", p)
	}
}
