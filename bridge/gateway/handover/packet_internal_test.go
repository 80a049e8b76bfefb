package handover

import "testing"

func TestPackets(t *testing.T) {
	for _, c := range []struct {
		packet           string
		name             string
		connect, refusal bool
	}{
		{packet: `40`, connect: true},
		{packet: `40{"sid":"x"}`, connect: true},
		{packet: `40/admin,{"sid":"x"}`},
		{packet: `44{"message":"no"}`, refusal: true},
		{packet: `44/admin,{"message":"no"}`},
		{packet: `42["message",{"id":"1"}]`, name: "message"},
		{packet: `4217["subscribe:conversation","c"]`, name: "subscribe:conversation"},
		{packet: `42/admin,["message",{}]`},
		{packet: `42{}`},
		{packet: `42["unended`},
		{packet: `43["message"]`},
		{packet: `451-["message",{"_placeholder":true,"num":0}]`},
		{packet: `2`},
		{packet: `2probe`},
		{packet: ``},
	} {
		p := []byte(c.packet)
		if got := string(eventName(p)); got != c.name {
			t.Errorf("%s: event %q, want %q", c.packet, got, c.name)
		}
		if isConnect(p) != c.connect || isConnectError(p) != c.refusal {
			t.Errorf("%s: connect %v, refusal %v", c.packet, isConnect(p), isConnectError(p))
		}
	}
}
