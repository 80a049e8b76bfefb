package gateway_test

import (
	"testing"

	"chatbridge/bridge/gateway"
)

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
		if got := string(gateway.EventName(p)); got != c.name {
			t.Errorf("%s: event %q, want %q", c.packet, got, c.name)
		}
		if gateway.IsConnect(p) != c.connect || gateway.IsConnectError(p) != c.refusal {
			t.Errorf("%s: connect %v, refusal %v", c.packet, gateway.IsConnect(p), gateway.IsConnectError(p))
		}
	}
}

func TestJudgeEngine(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		ok     bool
	}{
		{400, `{"code":1,"message":"Session ID unknown"}`, true},
		{400, `{"code":0,"message":"Transport unknown"}`, true},
		{200, `<!doctype html>`, false},
		{404, `{"message":"no such route"}`, false},
		{502, `{"code":1,"message":"upstream"}`, false},
		{400, ``, false},
	} {
		if err := gateway.JudgeEngine(c.status, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{`42["message",{"id":"m1","content":"a"}]`, `42["message",{"id":"m1","content":"b"},"offset"]`},
		{`42["messageStatus",{"messageId":"m","status":"read"}]`, `421["messageStatus", {"status":"read","messageId":"m","conversationId":"c"}]`},
	} {
		if gateway.Identity([]byte(c.a)) == "" || gateway.Identity([]byte(c.a)) != gateway.Identity([]byte(c.b)) {
			t.Errorf("%s and %s differ: %q and %q", c.a, c.b, gateway.Identity([]byte(c.a)), gateway.Identity([]byte(c.b)))
		}
	}
	seen := map[string]string{}
	for _, p := range []string{
		`42["message",{"id":"m1"}]`, `42["message",{"id":"m2"}]`, `42["conversation",{"id":"m1"}]`,
		`42["conversation",{"id":"m1","lastMessage":{"id":"x"}}]`,
		`42["messageStatus",{"messageId":"m1","status":"read"}]`, `42["messageStatus",{"messageId":"m1","status":"sent"}]`,
	} {
		id := gateway.Identity([]byte(p))
		if other, ok := seen[id]; ok || id == "" {
			t.Errorf("%s and %s are one: %q", p, other, id)
		}
		seen[id] = p
	}
	for _, p := range []string{``, `42`, `42[`, `42["message"]`, `42["message",7]`, `42["typing",{"id":"x"}]`, `42["message",{}]`, `2`} {
		if id := gateway.Identity([]byte(p)); id != "" {
			t.Errorf("%s has the identity %q", p, id)
		}
	}
}
