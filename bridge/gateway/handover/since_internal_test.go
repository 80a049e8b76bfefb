package handover

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSinceOfPrivateIDs: a Since is the third part of a private id, and nothing else is.
func TestSinceOfPrivateIDs(t *testing.T) {
	for pid, want := range map[string]string{
		"":                                   "",
		"mabc1234.r4nd0m":                    "",
		"mabc1234.r4nd0m.0AF-1":              "0AF-1",
		"_.RAND.0AF-1":                       "0AF-1",
		"mabc1234.r4nd0m.0AF-1.0AF-0":        "0AF-1",
		"mabc1234.r4nd0m..0AF-0":             "",
		"a.b.c.d.e":                          "",
		"a.b.c\r\nX: y":                      "",
		"a.b.é":                              "",
		"a.b." + strings.Repeat("x", 64):     strings.Repeat("x", 64),
		"a.b." + strings.Repeat("x", 65):     "",
		"a.b." + strings.Repeat("x", 10_000): "",
	} {
		if got := SinceOf(pid); got != want {
			t.Errorf("%.40q: %q, want %q", pid, got, want)
		}
		if got := SinceOfRequest(http.Header{SinceHeader: {"FORGED"}}, pid); got != want {
			t.Errorf("%.40q, with a forged header: %q, want %q", pid, got, want)
		}
	}
	h := http.Header{SinceHeader: {"0AF-2"}}
	Mark(h)
	if got := SinceOfRequest(h, "a.b.0AF-1"); got != "0AF-2" {
		t.Errorf("a feed's is %q", got)
	}
}

// TestConnectPacketsWithSince: ChatEngine's CONNECT gets a private id where it has none.
func TestConnectPacketsWithSince(t *testing.T) {
	for packet, want := range map[string]string{
		`40{"sid":"e"}`:           `40{"sid":"e","pid":"_.*.0AF.2s"}`,
		`40{"sid":"e" } `:         `40{"sid":"e" ,"pid":"_.*.0AF.2s"} `,
		`40{"sid":"e","pid":"p"}`: "",
		`40{}`:                    "",
		`40`:                      "",
		`40{"sid"`:                "",
	} {
		out, pid := withSince([]byte(packet), "0AF", time.UnixMilli(100))
		if !strings.Contains(packet+string(out), `"`+pid+`"`) && pid != "" {
			t.Errorf("%s: the private id is told as %q", packet, pid)
		}
		got := string(out)
		if i := strings.Index(got, "_."); i >= 0 {
			end := strings.LastIndex(got, ".0AF")
			if end-i < 20 {
				t.Errorf("%s: the id can be guessed: %s", packet, got)
			}
			got = got[:i+2] + "*" + got[end:]
		}
		if got != want {
			t.Errorf("%s: %s, want %s", packet, got, want)
		}
	}
	for packet, want := range map[string]string{
		`40{"token":"t","pid":"_.r.0AF","offset":"o"}`: "0AF",
		`40{"pid":7}`: "", `40{"token":"t"}`: "", `40`: "", `4`: "", ``: "", `40{"pid":"a\u002eb\u002ec"}`: "c",
	} {
		if got := sinceOf([]byte(packet)); got != want {
			t.Errorf("%s: since %q, want %q", packet, got, want)
		}
	}
	if !OfEngine("_.r.0AF") || OfEngine("mabc.r.0AF") || OfEngine("") {
		t.Error("whose private ids are whose is not told")
	}
}
