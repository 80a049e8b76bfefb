package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// TestMessagesUnderTheNamesOfChatEngine: a client that was at ChatEngine is given what
// came after its Since under ChatEngine's ids, from the log and live, now and when it
// comes back; the others under the rows'.
func TestMessagesUnderTheNamesOfChatEngine(t *testing.T) {
	t.Parallel()
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), NameByClient: true,
		ExpiryGrace: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
	opts.SocketIO.Path, opts.Hub.SubscribeGrace = "/api/ws", 0
	server, url := serve(t, opts, named{})
	url = "ws" + strings.TrimPrefix(url, "http")
	commit := uint64(0)
	began := time.Now().Add(-time.Second)
	at := func(n uint64) hub.Offset {
		return hub.Offset{Position: source.Position{Commit: n, Index: 1}, Commit: began.Add(time.Duration(n) * time.Millisecond)}
	}
	message := func(other string, again uint64) {
		commit++
		id := fmt.Sprintf("m%d", commit)
		e := hub.Event{
			Position: at(commit).Position, Kind: contract.Message, Workspace: []byte("w"), Conversation: []byte("c"),
			Commit: at(commit).Commit, Other: []byte(other),
		}
		if again > 0 {
			id, e.Again, e.Created = fmt.Sprintf("m%d", again), true, at(again).Commit.UnixMicro()
		}
		offset := append(hub.AppendOffset([]byte{'"'}, at(commit)), '"')
		e.Packet = socketio.NewEvent(hub.Namespace, "message", fmt.Appendf(nil, `{"id":%q,"n":%d}`, id, commit), offset)
		server.Hub().Publish(&e, time.Now())
	}
	last := ""
	ids := func(p *person, n int) (out []string) {
		t.Helper()
		for range n {
			text := p.until(`42["message",`)
			_, id, _ := strings.Cut(text, `{"id":"`)
			id, rest, _ := strings.Cut(id, `"`)
			if i := strings.LastIndex(rest, `,"`); i >= 0 && strings.HasSuffix(rest, `"]`) {
				last = rest[i+2 : len(rest)-2]
			}
			out = append(out, id)
		}
		return out
	}
	want := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	message("P1", 0)
	message("P2", 0)
	message("", 0)
	message(`P"4`, 0)
	since := string(hub.AppendOffset(nil, at(1)))
	from := join(t, url, "w/ana/1h", `,"pid":"_.RANDOM.`+since+`","offset":"`+string(hub.AppendOffset(nil, at(4)))+`"`)
	sinceOf := func(pid string) string { return gateway.Since(http.Header{}, pid) }
	if sinceOf(from.PID) != since {
		t.Errorf("its private id is now %s", from.PID)
	}
	here := join(t, url, "w/bob/1h", "")
	if sinceOf(here.PID) != "" {
		t.Errorf("the private id of one that was never at ChatEngine is %s", here.PID)
	}
	want(ids(from, 4), "m1", "P2", "m3", `P\`)
	want(ids(here, 4), "m1", "m2", "m3", "m4")
	message("P5", 0)
	message("P1", 1) // which the page had before it was at ChatEngine
	message("P5", 5)
	message("P8", 0)
	want(ids(from, 4), "P5", "m1", "P5", "P8")
	want(ids(here, 4), "m5", "m1", "m5", "m8")
	from.Close()
	message("P9", 0)
	back := join(t, url, "w/ana/1h", `,"pid":"`+from.PID+`","offset":"`+last+`"`)
	message("P10", 0)
	if back.PID != from.PID {
		t.Errorf("the session was not restored: %s", back.PID)
	}
	want(ids(back, 2), "P9", "P10")
	for _, forged := range []string{"x", "0", strings.Repeat("F", 64), since[:source.PositionLen]} {
		p := join(t, url, "w/eve/1h", `,"pid":"_.RANDOM.`+forged+`"`)
		if sinceOf(p.PID) != "" {
			t.Errorf("of %s it makes the private id %s", forged, p.PID)
		}
	}
}

// TestOwedSinceItLeftChatEngine: the private id of a client that came from ChatEngine tells
// since when it lacks something, however often it is cut, until it has received something.
func TestOwedSinceItLeftChatEngine(t *testing.T) {
	t.Parallel()
	opts := api.Options{SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: time.Minute, Logger: slog.New(slog.DiscardHandler)}
	opts.SocketIO.Path = "/api/ws"
	server, url := serve(t, opts, named{})
	url = "ws" + strings.TrimPrefix(url, "http")
	began := time.Now().Add(-time.Hour)
	for pid, want := range map[string]time.Time{
		"_.R.." + strconv.FormatInt(began.UnixMilli(), 36): gateway.UpstreamSince("_.R.." + strconv.FormatInt(began.UnixMilli(), 36)),
		"_.R.": gateway.Unknown,
	} {
		for range 3 {
			if got := server.OwedSince(pid, ""); got.After(want.Add(time.Second)) || got.Before(want.Add(-time.Second)) {
				t.Errorf("%s: owed since %v, want %v", pid, got, want)
			}
			pid = join(t, url, "w/ana/1h", `,"pid":"`+pid+`"`).PID
		}
		at := time.Now().Truncate(time.Millisecond)
		offset := string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 7, Index: 1}, Commit: at}))
		if got := server.OwedSince(pid, offset); !got.Equal(at) {
			t.Errorf("with an offset: owed since %v, want %v", got, at)
		}
	}
	if got := server.OwedSince("", ""); !got.IsZero() {
		t.Errorf("a new client is owed since %v", got)
	}
	here := join(t, url, "w/ana/1h", "")
	if got := server.OwedSince(here.PID, ""); time.Since(got) > time.Minute {
		t.Errorf("one that was never there is owed since %v", got)
	}
}
