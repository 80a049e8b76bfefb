package gateway_test

import (
	"slices"
	"testing"
	"time"

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

// TestNews: what of ChatEngine's waiting events is still to be told.
func TestNews(t *testing.T) {
	status := func(s string) string { return `42["messageStatus",{"messageId":"m","status":"` + s + `"}]` }
	conversation := func(last string) string { return `42["conversation",{"id":"c","lastMessage":{"id":"` + last + `"}}]` }
	const young, old, covered = time.Second, 5 * time.Second, 2 * time.Second
	for name, c := range map[string]struct{ said, kept, young, want []string }{
		"nothing said": {young: []string{status("delivered"), status("read")}, want: []string{status("delivered"), status("read")}},
		"all said":     {said: []string{status("delivered"), status("read")}, young: []string{status("delivered"), status("read")}},
		"only the newest said": {
			said: []string{status("read")}, young: []string{status("delivered"), status("read")},
		},
		"said up to the middle": {
			said: []string{status("sent"), status("delivered")}, young: []string{status("sent"), status("delivered"), status("read")},
			want: []string{status("read")},
		},
		"an old one, and the bridge knows better": {said: []string{status("read")}, kept: []string{status("delivered")}},
		"an old one of which the bridge knows nothing": {
			said: []string{conversation("1")}, kept: []string{status("delivered")}, want: []string{status("delivered")},
		},
		"conversations": {
			said: []string{conversation("2")}, young: []string{conversation("1"), conversation("2"), conversation("3")},
			want: []string{conversation("3")},
		},
		"messages": {
			said:  []string{`42["message",{"id":"2"},"offset"]`},
			young: []string{`42["message",{"id":"1"}]`, `42["message",{"id":"2"}]`, `42["message",{"id":"3"}]`},
			want:  []string{`42["message",{"id":"1"}]`, `42["message",{"id":"3"}]`},
		},
		"what cannot be told apart": {
			said: []string{`42["message",{}]`}, young: []string{`42["message",{}]`}, want: []string{`42["message",{}]`},
		},
	} {
		var ages []time.Duration
		for range c.kept {
			ages = append(ages, old)
		}
		for range c.young {
			ages = append(ages, young)
		}
		if got := gateway.News(c.said, append(c.kept, c.young...), ages, covered); !slices.Equal(got, c.want) {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
		}
	}
	for _, p := range []string{``, `42`, `42[`, `42["message"]`, `42["message",7]`, `42["typing",{"id":"x"}]`, `2`} {
		if got := gateway.News([]string{p}, []string{p}, []time.Duration{young}, covered); len(got) != 1 {
			t.Errorf("%s is taken for something known", p)
		}
	}
}
