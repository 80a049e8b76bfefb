package bridge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestAClientOfTheBridgesOwnAddress: a page, or a mobile or Python client, whose
// Origin is the address that it connects to needs no setting; null and look-alikes
// stay out. With TLS before the bridge the scheme may differ; the port does where the
// Host has none.
func TestAClientOfTheBridgesOwnAddress(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, pgtest.DB(t, schemas.CRM), "BRIDGE_CORS_ORIGINS=https://app.example.com")
	d.ready()
	_, port, _ := strings.Cut(d.Addr().String(), ":")
	for _, tt := range []struct {
		host, origin string
		admitted     bool
	}{
		{"", "http://127.0.0.1:" + port, true},
		{"", "https://127.0.0.1:" + port, true},
		{"", "ws://127.0.0.1:" + port, true},
		{"chat.example.com", "https://chat.example.com", true},
		{"chat.example.com", "http://chat.example.com", true},
		{"chat.example.com", "https://chat.example.com:443", true},
		{"Chat.Example.com:443", "https://chat.example.com", true},
		{"chat.example.com:80", "http://chat.example.com", true},
		{"chat.example.com:8443", "https://chat.example.com:8443", true},
		{"[2001:db8::1]", "https://[2001:db8::1]", true},
		{"[2001:db8::1]:8443", "https://[2001:db8::1]:8443", true},
		{"chat.example.com:443", "wss://chat.example.com", true}, // the Swift client's
		{"chat.example.com.", "https://chat.example.com.", true},
		{"chat.example.com.", "https://chat.example.com", true},
		{"chat.example.com", "HTTPS://Chat.Example.com.", true},
		{"chat.example.com", "https://app.example.com", true}, // of the setting
		{"chat.example.com", "", true},

		{"chat.example.com", "null", false},
		{"null", "null", false},
		{"null", "://null", false},
		{"chat.example.com", "chat.example.com", false},
		{"chat.example.com", "https://chat.example.com.evil.example", false},
		{"chat.example.com", "https://evil.example/chat.example.com", false},
		{"chat.example.com", "https://chat.example.com@evil.example", false},
		{"chat.example.com", "https://evil.example#chat.example.com", false},
		{"chat.example.com", "https://xchat.example.com", false},
		{"chat.example.com", "https://example.com", false},
		{"chat.example.com", "https://chat.example.com:8443", false},
		{"chat.example.com:8443", "https://chat.example.com", false},
		{"chat.example.com:8443", "https://chat.example.com:3000", false},
		{"chat.example.com", "https://chat.example.com/", false},
		{"chat.example.com", "file://", false},
		{"chat.example.com", "javascript://chat.example.com", false},
		{"chat.example.com", "file://chat.example.com", false},
		{"chat.example.com", "chrome-extension://chat.example.com", false},
		{"chat.example.com", "capacitor://chat.example.com", false},
		{"chat.example.com:80", "http://chat.example.com:443", false},
		{"chat.example.com", "http://chat.example.com:443", false},
		{"chat.example.com:80", "https://chat.example.com", false},
		{"chat.example.com:443", "http://chat.example.com", false},
		{"chat.example.com", "https://chat.example.com:", false},
		{"chat.example.com", "https://chat.example.com:x", false},
		{"chat.example.com:8443", "https://chat.example.com:08443", false},
		{"chat.example.com", "https://chat.example.com..", false},
		{"[2001:db8::1]", "https://[2001:db8::1", false},
		{"[2001:db8::1]", "https://2001:db8::1", false},
	} {
		name := fmt.Sprintf("%s at %s", tt.origin, tt.host)
		header := http.Header{}
		if tt.origin != "" {
			header.Set("Origin", tt.origin)
		}
		if tt.host != "" {
			header.Set("Host", tt.host)
		}
		conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(d.url, "http")+"/api/ws/?EIO=4&transport=websocket", header)
		if err == nil {
			_ = conn.Close()
		}
		if (err == nil) != tt.admitted || err != nil && (res == nil || res.StatusCode != http.StatusForbidden) {
			t.Errorf("%s by websocket: %v", name, err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/api/ws/?EIO=4&transport=polling", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header, req.Host = header.Clone(), tt.host
		req.Header.Del("Host")
		polled, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = polled.Body.Close()
		if (polled.StatusCode == http.StatusOK) != tt.admitted {
			t.Errorf("%s by polling: %s", name, polled.Status)
		}
		// A page takes only an answer that names it.
		if named := polled.Header.Get("Access-Control-Allow-Origin"); tt.admitted && named != tt.origin {
			t.Errorf("%s is answered as %q", name, named)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if strings.Contains(d.log.String(), "http://127.0.0.1:"+port) {
		t.Error("the log says that its own origin was refused")
	}
}
