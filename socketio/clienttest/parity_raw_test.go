package clienttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/npm"
)

// TestParityRaw sends the same frames and requests to our server and to npm's: the
// answers must be the same.
func TestParityRaw(t *testing.T) {
	npm.Install(t, packages)
	sides := startSides(t)
	traces := make([][2][]string, len(rawScripts))
	var all sync.WaitGroup
	slots := make(chan struct{}, 2*atOnce)
	for i, s := range rawScripts {
		for j, side := range sides {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				w := &raw{url: side.urls[s.profile]}
				defer w.end()
				s.play(w)
				traces[i][j] = w.trace
			})
		}
	}
	all.Wait()
	for i, s := range rawScripts {
		t.Run(s.name, func(t *testing.T) { compare(t, parityKind{}, s.name, traces[i]) })
	}
}

// raw is a client that sends whatever a script says, and writes down what comes.
type raw struct {
	url   string
	ws    *websocket.Conn
	trace []string
	sid   string
}

func (w *raw) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if m := sidPattern.FindStringSubmatch(line); m != nil && w.sid == "" {
		w.sid = m[1]
	}
	w.trace = append(w.trace, sidPattern.ReplaceAllString(line, `"sid":"…"`))
}

var sidPattern = regexp.MustCompile(`"sid":"([\w-]{20})"`)

func (w *raw) end() {
	if w.ws != nil {
		_ = w.ws.Close()
	}
}

// dial opens a WebSocket and writes down the answer's status and headers.
func (w *raw) dial(query string, header http.Header, protocols ...string) bool {
	u := "ws" + strings.TrimPrefix(w.url, "http") + "/api/ws/?" + query
	d := websocket.Dialer{HandshakeTimeout: scriptTimeout, Subprotocols: protocols}
	ws, response, err := d.Dial(u, header)
	if response != nil {
		w.response(response)
	}
	if err != nil {
		if response == nil {
			w.note("no answer: %v", err)
		}
		return false
	}
	w.ws = ws
	return true
}

// handled, among the frames of a script, waits until the server has handled those
// before.
type handled struct{}

// awaits, among the frames of a script, reads up to a frame that begins so.
type awaits string

// awaitHandled makes requests that the server reads after the frames that were sent.
// npm's server handles an event one turn of its event loop after it was read: what
// comes in one read is not handled in order.
func (w *raw) awaitHandled() {
	for range 2 {
		if r, err := http.Get(w.url + "/nothing"); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
	}
}

// send sends text frames, a []byte as a binary one.
func (w *raw) send(frames ...any) {
	for _, f := range frames {
		switch f := f.(type) {
		case handled:
			w.awaitHandled()
			continue
		case awaits:
			w.readTo(string(f))
			continue
		}
		kind, data := websocket.TextMessage, []byte(fmt.Sprint(f))
		if b, ok := f.([]byte); ok {
			kind, data = websocket.BinaryMessage, b
		}
		_ = w.ws.WriteMessage(kind, data) // an error shows when the answer is read
	}
}

// read writes down n frames, or how the connection ended.
func (w *raw) read(n int) bool {
	for range n {
		_ = w.ws.SetReadDeadline(time.Now().Add(scriptTimeout))
		kind, data, err := w.ws.ReadMessage()
		if err != nil {
			w.closed(err)
			return false
		}
		if kind == websocket.BinaryMessage {
			w.note("binary %x", data)
		} else {
			w.note("%.200s", canonicalPacket(string(data)))
		}
	}
	return true
}

// packetPattern splits an event or acknowledgement from its JSON.
var packetPattern = regexp.MustCompile(`^(4[2356][^\[]*)(\[.*)$`)

// canonicalPacket is a packet as npm's server would write it: ours passes on the JSON
// that it got, whose numbers and escapes may be written in another way.
func canonicalPacket(text string) string {
	if m := packetPattern.FindStringSubmatch(text); m != nil {
		return m[1] + canonical(json.RawMessage(m[2]))
	}
	return text
}

// readTo writes down what comes up to a frame that begins so, or to the end of the
// connection.
func (w *raw) readTo(last string) {
	for {
		if !w.read(1) || strings.HasPrefix(w.trace[len(w.trace)-1], last) {
			return
		}
	}
}

func (w *raw) closed(err error) {
	var c *websocket.CloseError
	var n net.Error
	switch {
	case errors.As(err, &c):
		w.note("closed with code %d", c.Code)
	case errors.As(err, &n) && n.Timeout():
		w.note("nothing comes")
	default:
		w.note("closed without a frame")
	}
}

// request sends an HTTP request and writes the answer down.
func (w *raw) request(method, query, body string, header http.Header) string {
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.url+"/api/ws/?"+strings.ReplaceAll(query, "<sid>", w.sid), strings.NewReader(body))
	if err != nil {
		w.note("%v", err)
		return ""
	}
	for k, v := range header {
		r.Header[k] = v
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.note("no answer")
		return ""
	}
	return w.response(response)
}

// shownHeaders are those of an answer that a client may depend on.
var shownHeaders = []string{
	"Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
	"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Location", "Set-Cookie", "Content-Encoding",
	"Sec-Websocket-Protocol", "Sec-Websocket-Extensions",
}

func (w *raw) response(r *http.Response) string {
	body, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	line := fmt.Sprintf("%d", r.StatusCode)
	for _, h := range shownHeaders {
		switch {
		case strings.HasPrefix(h, "Access-Control") && (r.Request.Header.Get("Origin") == "" || r.StatusCode == http.StatusSwitchingProtocols):
			continue // npm's server sends some where no browser reads them
		case h == "Cache-Control" && r.StatusCode >= 400:
			continue // ours forbids to keep errors as well
		}
		if v := r.Header.Values(h); len(v) > 0 {
			line += fmt.Sprintf("; %s: %s", h, strings.Join(v, ", "))
		}
	}
	w.note("%s", line)
	if len(body) > 0 {
		w.note("body %.200s", shownPayload(string(body)))
	}
	return string(body)
}

// shownPayload is the packets of a polling body.
func shownPayload(body string) string {
	packets := strings.Split(body, "\x1e")
	for i, p := range packets {
		packets[i] = canonicalPacket(p)
	}
	return strings.Join(packets, "␞")
}

// rawScript is what is sent.
type rawScript struct {
	name    string
	profile int
	play    func(w *raw)
}

// rawScripts are frames after the namespace / was joined, frames before, and requests.
var rawScripts = func() []rawScript {
	var list []rawScript
	add := func(name string, profile int, play func(w *raw)) {
		list = append(list, rawScript{name, profile, play})
	}
	const eio = "EIO=4&transport=websocket"
	const hello = `42["hello",{"namespace":"/","recovered":false}]`
	// joined: these frames, and one that shows whether the connection lives.
	joined := func(name string, frames ...any) {
		add("joined, then "+name, plain, func(w *raw) {
			if !w.dial(eio, nil) || !w.read(1) {
				return
			}
			w.send(`40{"token":"good"}`)
			if !w.read(2) {
				return
			}
			w.trace = nil
			w.send(frames...)
			w.awaitHandled()
			w.send(`4277["echo","end"]`)
			w.readTo(`4377["end"]`)
		})
	}
	// before: these frames before a namespace is joined; then / is joined.
	before := func(name string, frames ...any) {
		add("before joining, "+name, plain, func(w *raw) {
			if !w.dial(eio, nil) || !w.read(1) {
				return
			}
			w.trace = nil
			w.send(frames...)
			w.awaitHandled()
			w.send(`40{"token":"good"}`)
			w.readTo(hello)
		})
	}

	add("the open packet", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.read(1)
		}
	})
	for _, f := range []string{
		`40`, `40{}`, `40{"token":"bad"}`, `40null`, `40"string"`, `40[]`, `40{`, `40x`, `401{"token":"good"}`, `40/`, `40,`, `40/custom`, `40/custom,`,
		`40/custom,{"token":"bad"}`, `40/random`, `40/random,{"token":"good"}`, `40/random/deep?a=b,`, `40//,`, `40/é,`,
		`41`, `41/custom`, `42["echo",1]`, `420["echo",1]`, `43["x"]`, `430["x"]`, `44{"message":"x"}`, `451-["echo",{"_placeholder":true,"num":0}]`,
		`46`, `47`, `4`, ``, `0`, `1`, `2`, `2probe`, `3`, `3probe`, `5`, `6`, `7`, `8`, `x`, `bAQID`, `b!`, `40/custom,{"token":"good"}`,
	} {
		if strings.HasPrefix(f, "40") {
			before(f, f, awaits("4"))
		} else {
			before(f, f)
		}
	}
	before("binary", []byte{1, 2, 3})
	for _, f := range []string{
		`42["name"]`, `42["name",1,"two",null]`, `42["é 😀\u2028\u0000<&>","\ud83d\ude00"]`, `42["lone","\ud800"]`, `42["numbers",1e3,1.0,0.1]`,
		`42[1,"x"]`, `42[-1.5,"x"]`, `42[""]`, `42["",1]`, `42[]`, `42{}`, `42`, `42null`, `42[null]`, `42[true]`, `42[["x"]]`, `42[{}]`, `42"x"`, `42["x"`, `42["x"]y`,
		`42 ["x"]`, `42[ "x" , 1 ]`, `42["connect"]`, `42["connect_error"]`, `42["disconnect"]`, `42["disconnecting"]`, `42["newListener"]`, `42["removeListener"]`,
		`42["error","x"]`, `42["message","x"]`, `42["__proto__",1]`, `420["echo",1]`, `4200["echo",1]`, `42999["echo",{"b":1,"a":2}]`,
		`429007199254740993["echo",1]`, `4299999999999999999999["echo",1]`, `42-1["echo"]`, `421x["echo"]`, `42abc["echo"]`,
		`42/,["name"]`, `42/custom,["name"]`, `42/custom,5["echo"]`, `42/custom`, `43[]`, `431[]`, `431["x"]`, `43/custom,1[]`, `431{}`, `431`,
		`40`, `40{"token":"good"}`, `40/random`, `41`, `41/`, `41/custom`, `41/custom,`, `41["x"]`, `41x`, `44`, `44{"message":"x"}`, `44"x"`,
		`45["x"]`, `450-["x"]`, `451["x"]`, `45-["x"]`, `451-`, `451-["x"]`, `461-1["x"]`, `461-["x"]`, `4511-["x"]`, `45999999999999-["x"]`, `451.5-["x"]`,
		`46`, `47`, `48["x"]`, `4`, ``, `0`, `2`, `2x`, `2probe`, `3`, `3x`, `3probe`, `5`, `6`, `6x`, `7`, `x`, `abc`, `é`, `bAQID`, `b`, `b!!`, `1`, `1x`,
	} {
		joined(f, f)
	}
	p := `{"_placeholder":true,"num":%s}`
	for _, num := range []string{"0", "1", "-1", "0.5", `"0"`, "null"} {
		joined("a placeholder of number "+num, `451-["name",`+fmt.Sprintf(p, num)+`]`, []byte{1, 2})
		joined("a placeholder of number "+num+" without attachments", `42["name",`+fmt.Sprintf(p, num)+`]`)
	}
	joined("binary", []byte{1, 2, 3})
	joined("an empty binary", []byte{})
	joined("an attachment", `451-["name",{"_placeholder":true,"num":0}]`, []byte{1, 2, 3})
	joined("an attachment as base64 text", `451-["name",{"_placeholder":true,"num":0}]`, `bAQID`)
	joined("two attachments, acknowledged", `452-5["echo",{"_placeholder":true,"num":1},{"a":[{"_placeholder":true,"num":0}]}]`, []byte{1}, []byte{})
	joined("one attachment in two places", `451-["name",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, []byte{1})
	joined("an attachment that nothing refers to", `451-["name",1]`, []byte{1})
	joined("more attachments than announced", `451-["name",{"_placeholder":true,"num":0}]`, []byte{1}, awaits("binary"), []byte{2})
	joined("text instead of an attachment", `452-["name",{"_placeholder":true,"num":0}]`, []byte{1}, `42["x"]`)
	joined("ten attachments", append([]any{`4510-["ten",{"_placeholder":true,"num":9}]`}, repeat([]byte{7}, 10)...)...)
	joined("a text of the largest size", `42["x","`+strings.Repeat("x", 200_000-len(`42["x",""]`))+`"]`)
	joined("a text that is a byte too large", `42["x","`+strings.Repeat("x", 200_001-len(`42["x",""]`))+`"]`)
	joined("a deep event", `42["deep",`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`]`)
	joined("another namespace", `40/custom,{"token":"good"}`, awaits("40"), `42/custom,["name"]`, `42/custom,9["echo",1]`)
	joined("another namespace, left again", `40/custom,{"token":"good"}`, awaits("40"), `42/custom,1["echo",1]`, `41/custom,`, `42["still here"]`)
	joined("/ again after leaving it", `42["x"]`, `41`, handled{}, `40{"token":"good"}`, awaits("40"))

	add("no CONNECT", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.read(1)
			w.read(5)
		}
	})
	add("left the only namespace and waits", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`)
			w.read(3)
			w.send(`41`)
			w.readTo("2")
			w.send("3")
			w.readTo("2")
		}
	})
	add("no pong", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`)
			w.read(10)
		}
	})
	add("pongs", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`)
			w.readTo("2")
			for range 3 {
				w.send("3")
				w.readTo("2")
			}
		}
	})
	add("a pong nobody asked for", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`, "3", "3")
			w.readTo("2")
		}
	})
	add("CONNECT_ERROR, and then", impatient, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"bad"}`)
			w.read(5)
		}
	})
	add("refused, then a good token", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"bad"}`)
			w.read(2)
			w.send(`40{"token":"good"}`)
			w.read(2)
		}
	})
	add("two CONNECTs at once", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"bad"}`, `40{"token":"bad"}`)
			w.read(3)
		}
	})
	add("kick and close", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`)
			w.read(3)
			w.send(`42["kick and close"]`)
			w.read(3)
		}
	})
	add("drop", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good"}`)
			w.read(3)
			w.send(`42["drop","x"]`)
			w.read(3)
		}
	})
	add("later", plain, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"later"}`)
			w.read(3)
		}
	})
	add("a recovered session", recovers, func(w *raw) {
		if w.dial(eio, nil) {
			w.send(`40{"token":"good","pid":"unknown","offset":"x"}`)
			w.read(1)
			w.read(2)
			for i, line := range w.trace {
				w.trace[i] = regexp.MustCompile(`"pid":"[^"]+"|,"[^"]+"\]$`).ReplaceAllString(line, "…")
			}
		}
	})

	// WebSocket handshakes.
	for _, q := range []string{
		"EIO=3&transport=websocket", "EIO=5&transport=websocket", "EIO=abc&transport=websocket", "transport=websocket", "EIO=4", "EIO=4&transport=abc",
		"EIO=4&transport=polling", "EIO=4&transport=websocket&sid=unknown", "EIO=4&transport=websocket&x=%zz",
		"EIO=4&transport=websocket&b64=1", "EIO=4&transport=websocket&sid=", "EIO=4&transport=webtransport",
	} {
		add("WebSocket, "+q, plain, func(w *raw) {
			if w.dial(q, nil) {
				w.read(1)
			}
		})
	}
	for _, protocols := range [][]string{{"chat"}, {"a", "b"}, {"graphql-ws"}, {"websocket"}} {
		add("WebSocket protocols "+strings.Join(protocols, " "), plain, func(w *raw) {
			if w.dial(eio, nil, protocols...) {
				w.read(1)
			}
		})
	}
	for _, offer := range []string{"permessage-deflate; client_max_window_bits", "permessage-deflate", "x-webkit-deflate-frame"} {
		add("WebSocket extension "+offer, plain, func(w *raw) {
			if w.dial(eio, http.Header{"Sec-Websocket-Extensions": {offer}}) {
				w.read(1)
			}
		})
	}
	add("WebSocket with an origin", plain, func(w *raw) {
		if w.dial(eio, http.Header{"Origin": {"https://crm.example"}}) {
			w.read(1)
		}
	})

	// HTTP.
	const poll = "EIO=4&transport=polling"
	request := func(name, method, query, body string, header http.Header) {
		add("HTTP "+name, plain, func(w *raw) { w.request(method, query, body, header) })
	}
	for _, q := range []string{
		poll, "EIO=3&transport=polling", "transport=polling", "EIO=4", "EIO=abc&transport=polling", "EIO=4&transport=abc", "EIO=4&transport=websocket",
		poll + "&sid=unknown", poll + "&sid=", poll + "&b64=1", poll + "&j=0", poll + "&t=abc", "", "EIO=4&transport=webtransport",
	} {
		request("GET "+q, "GET", q, "", nil)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"} {
		request(method+" without a session", method, poll, "", nil)
		request(method+" of an unknown session", method, poll+"&sid=unknown", "", nil)
	}
	origin := http.Header{"Origin": {"https://crm.example"}}
	request("GET with an origin", "GET", poll, "", origin)
	request("GET refused, with an origin", "GET", poll+"&sid=unknown", "", origin)
	request("preflight", "OPTIONS", poll, "", http.Header{
		"Origin": {"https://crm.example"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type,x-test"},
	})
	request("preflight without headers", "OPTIONS", poll, "", http.Header{"Origin": {"https://crm.example"}, "Access-Control-Request-Method": {"GET"}})

	// posts: bodies after the namespace / was joined by polling; then a poll.
	posts := func(name, body string, header http.Header) {
		add("POST "+name, plain, func(w *raw) {
			w.request("GET", poll, "", nil)
			w.request("POST", poll+"&sid=<sid>", `40{"token":"good"}`, nil)
			for got := ""; !strings.Contains(got, "hello"); {
				if got = w.request("GET", poll+"&sid=<sid>", "", nil); got == "" {
					return
				}
			}
			w.trace = nil
			w.request("POST", poll+"&sid=<sid>", body, header)
			w.request("POST", poll+"&sid=<sid>", `4277["echo","end"]`, nil)
			var all string
			for !strings.Contains(all, `4377["end"]`) {
				w.trace = w.trace[:2:2] // the answers to the two POSTs, the second with its body
				got := w.request("GET", poll+"&sid=<sid>", "", nil)
				if got == "" || strings.HasPrefix(got, "{") {
					break
				}
				all += "␞" + shownPayload(got)
			}
			w.note("all packets: %s", all)
		})
	}
	for _, body := range []string{
		`42["x"]`, "42[\"x\"]\x1e42[\"y\"]", `abc`, ``, "\x1e", "42[\"x\"]\x1e", "\x1e42[\"x\"]", `bAQID`, `b!`, "451-[\"x\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID",
		"451-[\"x\",{\"_placeholder\":true,\"num\":0}]\x1ebAQIDBA", `1`, `2`, `3`, `2probe`, `5`, `6`, `7`, `42["x"`, `8:42["x"]`, "42[\"x\"]\n", "42[\"\xff\"]", "42[\"x\"]\x1eabc", "42[\"x\"]\x1e1",
	} {
		posts(fmt.Sprintf("%q", body), body, nil)
	}
	for _, contentType := range []string{"text/plain;charset=UTF-8", "application/octet-stream", "application/json", "application/x-www-form-urlencoded"} {
		posts("of type "+contentType, `42["x"]`, http.Header{"Content-Type": {contentType}})
	}
	posts("of the largest size", `42["x","`+strings.Repeat("x", 200_000-len(`42["x",""]`))+`"]`, nil)
	posts("that is a byte too large", `42["x","`+strings.Repeat("x", 200_001-len(`42["x",""]`))+`"]`, nil)
	return list
}()

func repeat(v any, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = v
	}
	return list
}
