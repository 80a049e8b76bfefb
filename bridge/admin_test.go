package bridge_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAdminOnAnAddressThatOthersReach: there the gateway's mode is changed by whoever
// has the token, and by nobody where there is none.
func TestAdminOnAnAddressThatOthersReach(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-the-operator"
	start := func(env ...string) *daemonTest {
		return runDaemon(t, append([]string{
			"DATABASE_URL=postgres://127.0.0.1:1/nowhere", "CHATENGINE_URL=http://127.0.0.1:1", "BRIDGE_ADMIN_LISTEN=0.0.0.0:0",
		}, env...))
	}
	const order = `{"mode":"hold-local"}`
	open := start("BRIDGE_SPOOL_DIR=" + t.TempDir() + "/open")
	if code, body := open.askAdmin(http.MethodPost, "/gateway", "", order); code != http.StatusForbidden || !strings.Contains(body, "admin.token") {
		t.Errorf("POST without a token: %d %s", code, body)
	}
	for _, path := range []string{"/metrics", "/status", "/gateway", "/"} {
		if code, _ := open.getAdmin(path, ""); code != http.StatusOK {
			t.Errorf("GET %s where no token is set: %d", path, code)
		}
	}
	// A page of elsewhere that has given its name this address (DNS rebinding) reads nothing;
	// Prometheus comes by any name.
	for _, agent := range []string{"Mozilla/5.0", "Prometheus/3.5.0"} {
		for _, path := range []string{"/metrics", "/status", "/gateway", "/", "/console/state", "/docs/", "/readyz"} {
			body := open.askAdminAs(path, "evil.example:9090", agent)
			refused := strings.Contains(body, "set admin.token")
			if page := agent == "Mozilla/5.0"; refused != (page && path != "/readyz") || page && strings.Contains(body, "127.0.0.1:1") {
				t.Errorf("%s by another name as %s: %.300s", path, agent, body)
			}
		}
	}
	// The spool has messages: without a token it is not even listed.
	const list = `{"do":"list"}`
	if code, body := open.askAdmin(http.MethodPost, "/spool", "", list); code != http.StatusForbidden {
		t.Errorf("the spool without a token: %d %s", code, body)
	}
	if code, body := open.getAdmin("/spool", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("GET /spool: %d %s", code, body)
	}
	secured := start("BRIDGE_ADMIN_TOKEN="+token, "BRIDGE_SPOOL_DIR="+t.TempDir()+"/secured")
	secured.await("the spool", func() bool { s := secured.Snapshot(); return s.Spool != nil && s.Spool.Open })
	if code, body := secured.askAdmin(http.MethodPost, "/spool", token, list); code != http.StatusOK || !strings.Contains(body, `"entries":[]`) {
		t.Errorf("the spool with the token: %d %s", code, body)
	}
	for _, path := range []string{"/metrics", "/status", "/gateway", "/"} {
		if code, _ := secured.getAdmin(path, ""); code != http.StatusUnauthorized {
			t.Errorf("GET %s without the token: %d", path, code)
		}
		if code, _ := secured.getAdmin(path, token); code != http.StatusOK {
			t.Errorf("GET %s with the token: %d", path, code)
		}
	}
	if code, _ := secured.askAdmin(http.MethodPost, "/gateway", token+"x", order); code != http.StatusUnauthorized {
		t.Errorf("POST with another token: %d", code)
	}
	if code, body := secured.askAdmin(http.MethodPost, "/gateway", token, order); code != http.StatusOK || !strings.Contains(body, "hold-local") {
		t.Errorf("POST with the token: %d %s", code, body)
	}
	if code, body := secured.get("/metrics"); code == http.StatusOK && strings.Contains(body, "bridge_") {
		t.Error("the public listener serves metrics")
	}
	if strings.Contains(secured.log.String(), token) {
		t.Error("the log has the token")
	}
}

// askAdminAs asks the admin listener by an address that is not loopback, for a host of any
// name, and returns the body of the answer.
func (d *daemonTest) askAdminAs(path, host, agent string) string {
	d.t.Helper()
	_, port, err := net.SplitHostPort(d.AdminAddr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+net.JoinHostPort(otherAddress(d.t), port)+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Host = host
	r.Header.Set("User-Agent", agent)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// otherAddress is one of this machine's that is not loopback.
func otherAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}
