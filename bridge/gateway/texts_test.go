package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"

	"github.com/gorilla/websocket"
)

// noted notes what the gateway tells of texts that pass, a line each.
type noted struct{ lines chan string }

func (n noted) Pass(r *http.Request, connect []byte, t gateway.Text) gateway.PassedText {
	n.lines <- fmt.Sprintf("pass %s %q of %s by %s", t.ID, t.Content, t.Conversation, connect)
	return notedText{n, t.ID}
}

type notedText struct {
	noted
	id string
}

func (n notedText) Done() bool        { return false }
func (n notedText) End(status string) { n.lines <- "end " + n.id + " " + status }
func (n notedText) Cut(alive bool)    { n.lines <- fmt.Sprintf("cut %s, alive %v", n.id, alive) }

func (n noted) want(t *testing.T, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if got := next(t, want, n.lines); got != want {
			t.Fatalf("told %s\nwant %s", got, want)
		}
	}
}

func sendPacket(id, content string) string {
	return fmt.Sprintf(`42["sendMessage",{"type":"sendMessage","conversationId":"c1","content":%q,"messageId":%q}]`, content, id)
}

func passing(id, content string) string {
	return fmt.Sprintf("pass %s %q of c1 by %s", id, content, connectPacket[2:])
}

// TestTextsThatPass: of each text that goes to ChatEngine it is told before ChatEngine has it,
// then what ChatEngine has said of it, or that the connection has ended before; also of what a
// client sends that has not heard yet that ChatEngine is gone.
func TestTextsThatPass(t *testing.T) {
	t.Parallel()
	for _, handover := range []bool{false, true} {
		t.Run(fmt.Sprintf("during a hand-over %v", handover), func(t *testing.T) {
			t.Parallel()
			n := noted{make(chan string, 16)}
			p := newPair(t, func(o *gateway.Options) {
				o.Texts = n
				if !handover {
					o.CatchUp = 0
				} else {
					o.CatchUpWait, o.CatchUpLate = time.Minute, time.Hour
				}
			})
			p.bridge.mute.Store(true)
			begin := func() (client, engine *websocket.Conn) {
				client = p.connect(t)
				engine = next(t, "the connection to ChatEngine", p.engine.conns)
				send(t, client, connectPacket)
				next(t, "the CONNECT", p.engine.received)
				p.engine.send(t, engine, `40{"sid":"x"}`)
				wantPackets(t, mask(receive(t, client, 1)), `40`)
				return client, engine
			}
			client, engine := begin()
			long := strings.Repeat("á", 30_000)
			send(t, client, sendPacket("opt_1", "one"), `42["typing",{}]`, sendPacket("opt_2", long), strings.Replace(sendPacket("opt_3", "three"), "42", "427", 1))
			for range 4 {
				next(t, "the client's packets", p.engine.received)
			}
			n.want(t, passing("opt_1", "one"), passing("opt_2", long), passing("opt_3", "three"))
			send(t, client, `42["sendMessage"]`, `42["sendMessage",{"content":"no id"}]`, `42["sendMessages",{"messageId":"opt_x"}]`)
			p.engine.send(t, engine, `42["messageStatus",{"messageId":"opt_1","status":"pending"}]`, `42["messageStatus",{"messageId":"opt_1","status":"failed"}]`,
				`42["messageStatus",{"messageId":"opt_9","status":"sent"}]`, `42["messageSent",{"messageId":"opt_2","conversationId":"c1"}]`)
			if !handover {
				n.want(t, "end opt_1 failed")
			}
			// A hand-over keeps a messageStatus for later: the client has not been told.
			n.want(t, "end opt_2 sent")
			// ChatEngine dies; the client sends on until it hears of it.
			engine.NetConn().Close()
			for {
				if _, _, err := client.ReadMessage(); err != nil {
					break
				}
			}
			send(t, client, sendPacket("opt_4", "late"))
			client.NetConn().Close()
			n.want(t, passing("opt_4", "late"))
			rest := map[string]bool{"cut opt_3, alive false": true, "cut opt_4, alive false": true}
			if handover {
				rest["cut opt_1, alive false"] = true
			}
			for len(rest) > 0 {
				got := next(t, "the end of the connection", n.lines)
				if !rest[got] {
					t.Fatalf("told %s", got)
				}
				delete(rest, got)
			}
			// A client that leaves a living ChatEngine.
			client, _ = begin()
			send(t, client, sendPacket("opt_5", "five"))
			n.want(t, passing("opt_5", "five"))
			client.NetConn().Close()
			n.want(t, "cut opt_5, alive true")
		})
	}
}

// mask cuts packets to their type.
func mask(packets []string) []string {
	for i, p := range packets {
		packets[i] = p[:2]
	}
	return packets
}
