package dial_test

import (
	"strings"
	"testing"

	"chatbridge/source/postgres/dial"
)

// TestTheNameOfABridge: who it is can be read from what a server keeps of the name.
func TestTheNameOfABridge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bridge dial.Bridge
		want   string
	}{
		{dial.Bridge{Host: "crm-1.example", PID: 42}, "chatbridge crm-1.example/42"},
		{dial.Bridge{Host: "crm-1", PID: 42, Cluster: "crm"}, "chatbridge crm-1/42 crm"},
		{dial.Bridge{Host: "máquina do João", PID: 7}, "chatbridge m-quina-do-Jo-o/7"},
		{dial.Bridge{PID: 7}, "chatbridge unknown/7"},
		{
			dial.Bridge{Host: strings.Repeat("h", 100), PID: 4194304, Cluster: strings.Repeat("c", 63)},
			"chatbridge " + strings.Repeat("h", 23) + "/4194304 " + strings.Repeat("c", 20),
		},
	} {
		got := tt.bridge.Application("chatbridge")
		if got != tt.want || len(got) > 63 {
			t.Errorf("%+v: %q, %d bytes, want %q", tt.bridge, got, len(got), tt.want)
		}
		read, ok := dial.ParseBridge("chatbridge", got)
		if !ok || read.PID != tt.bridge.PID || tt.bridge.Host != "" && !read.SameHost(tt.bridge) || tt.bridge.Cluster != "" && !read.Joined(tt.bridge) {
			t.Errorf("%q is read as %+v, %v", got, read, ok)
		}
	}
	for name, is := range map[string]bool{
		"chatbridge": true, "chatbridge h/1": true, "chatbridge h/1 crm": true,
		"": false, "chatbridge-check": false, "chatbridge check": false, "chatbridge h/x": false, "chatbridge /1": false, "psql": false,
	} {
		if _, ok := dial.ParseBridge("chatbridge", name); ok != is {
			t.Errorf("%q is a bridge: %v", name, ok)
		}
	}
	a, b := dial.Bridge{Host: "a", PID: 1, Cluster: "crm"}, dial.Bridge{Host: "b", PID: 1, Cluster: "other"}
	if a.Joined(b) || a.SameHost(b) || (dial.Bridge{Host: "a"}).Joined(dial.Bridge{Host: "a"}) {
		t.Error("strangers are taken for one")
	}
}
