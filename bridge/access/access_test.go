package access_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"chatbridge/bridge/access"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func networks(t *testing.T, texts ...string) access.Addresses {
	t.Helper()
	var out access.Addresses
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestClientAddr(t *testing.T) {
	t.Parallel()
	trusted := networks(t, "10.0.0.0/8", "127.0.0.1/32", "::1/128", "2001:db8:1::/48")
	for name, tt := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"direct":                     {"192.0.2.1:1", nil, "192.0.2.1"},
		"direct, forged":             {"192.0.2.1:1", []string{"10.0.0.1"}, "192.0.2.1"},
		"proxy without header":       {"10.0.0.1:1", nil, "10.0.0.1"},
		"one proxy":                  {"10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"one proxy, forged in front": {"10.0.0.1:1", []string{"1.1.1.1, 192.0.2.1"}, "192.0.2.1"},
		"forged trusted in front":    {"10.0.0.1:1", []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		"two proxies":                {"10.0.0.1:1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		"two headers are one list":   {"10.0.0.1:1", []string{"6.6.6.6, 192.0.2.1", "10.0.0.2"}, "192.0.2.1"},
		"all trusted":                {"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"garbage from the client":    {"10.0.0.1:1", []string{"evil, 192.0.2.1"}, "192.0.2.1"},
		"garbage from a proxy":       {"10.0.0.1:1", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		"empty":                      {"10.0.0.1:1", []string{""}, "10.0.0.1"},
		"empty entries":              {"10.0.0.1:1", []string{"192.0.2.1,,"}, "10.0.0.1"},
		"with port":                  {"10.0.0.1:1", []string{"192.0.2.1:4711"}, "192.0.2.1"},
		"IPv6":                       {"[::1]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 with port":             {"[::1]:1", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		"IPv6 in brackets":           {"[::1]:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		"IPv6 proxy chain":           {"[::1]:1", []string{"2001:db8::7, 2001:db8:1::5"}, "2001:db8::7"},
		"mapped peer":                {"[::ffff:10.0.0.1]:1", []string{"192.0.2.1"}, "192.0.2.1"},
		"mapped entry":               {"10.0.0.1:1", []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		"zone":                       {"[fe80::1%eth0]:1", nil, "fe80::1"},
		"Unix socket":                {"@", []string{"192.0.2.1"}, "invalid IP"},
		"no spaces":                  {"10.0.0.1:1", []string{"192.0.2.1,10.0.0.2"}, "192.0.2.1"},
		"absurdly many": {
			"10.0.0.1:1",
			[]string{"192.0.2.1" + strings.Repeat(", 10.0.0.2", 1000)},
			"10.0.0.2",
		},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
		for _, f := range tt.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := access.ClientAddr(r, trusted).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	// Without trusted proxies the header says nothing.
	r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {"1.2.3.4"}}}
	if got := access.ClientAddr(r, nil); got.String() != "10.0.0.1" {
		t.Errorf("no trusted proxies: %s", got)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	list := networks(t, "203.0.113.0/24", "2001:db8::/32", "192.0.2.7/32")
	for addr, want := range map[string]bool{
		"203.0.113.255": true, "203.0.114.0": false, "192.0.2.7": true, "192.0.2.8": false,
		"2001:db8:ffff::1": true, "2001:db9::1": false, "::ffff:192.0.2.7": true,
	} {
		if got := list.Allow(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if list.Allow(netip.Addr{}) {
		t.Error("the zero address is on the list")
	}
	if !access.Addresses(nil).Allow(netip.Addr{}) {
		t.Error("an empty list admits everybody")
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	o, err := access.NewOrigins([]string{"https://app.example.com", "https://*.example.app", "http://localhost:5173", "https://*.preview.example:8443", "http://127.0.0.1:*"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"https://app.example.com":                true,
		"HTTPS://APP.example.com":                true,
		"http://app.example.com":                 false,
		"https://app.example.com:444":            false,
		"https://app.example.com.evil":           false,
		"https://evilapp.example.com":            false,
		"https://a.example.app":                  true,
		"https://a.b.example.app":                true,
		"https://example.app":                    false,
		"https://.example.app":                   false,
		"https://evilexample.app":                false,
		"https://a.example.app.evil.com":         false,
		"https://a.example.app:443":              false,
		"http://a.example.app":                   false,
		"https://evil.com/.example.app":          false,
		"https://evil.com?.example.app":          false,
		"https://evil.com#.example.app":          false,
		"https://evil.com:80#.example.app":       false,
		"https://user@evil.com\\.example.app":    false,
		"https://a@b.example.app":                false,
		"https://*.example.app":                  false,
		"https://a\x00.example.app":              false,
		"http://localhost:5173":                  true,
		"http://localhost":                       false,
		"https://x.preview.example:8443":         true,
		"https://x.preview.example":              false,
		"http://127.0.0.1:5173":                  true,
		"http://127.0.0.1":                       true,
		"http://127.0.0.1:":                      false,
		"http://127.0.0.1:1:2":                   false,
		"http://127.0.0.1:x":                     false,
		"https://127.0.0.1:5173":                 false,
		"http://127.0.0.1.evil.com:80":           false,
		"http://127.0.0.1:80.evil.com":           false,
		"null":                                   false,
		"":                                       false,
		"*":                                      false,
		"https://a.example.app,https://evil.com": false,
		"https://evil.com https://a.example.app": false,
	} {
		if got := o.Allow(origin); got != want {
			t.Errorf("%q: %v, want %v", origin, got, want)
		}
	}
	all, err := access.NewOrigins([]string{"*"})
	if err != nil || !all.Allow("https://anything.example") || !all.Allow("null") {
		t.Errorf("*: %v", err)
	}
	none, err := access.NewOrigins(nil)
	if err != nil || none.Allow("https://app.example.com") || new(access.Origins).Allow("https://x.example") {
		t.Errorf("none: %v", err)
	}
	for _, bad := range []string{"example.com", "https://", "://x", "https://a.example/", "https://a.*.example", "https://u@a.example"} {
		if _, err := access.NewOrigins([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
