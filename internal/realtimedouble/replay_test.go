package realtimedouble_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/throwaway/pgtest"
)

// TestRecordings replays each recorded session of the real server against the
// double: the same handshakes, frames and SQL, and every frame, refusal and
// close that came back then must come back now, in the same order, and none
// besides.
func TestRecordings(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/recordings/*.jsonl")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d recordings: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			newReplay(t, file).run()
		})
	}
}

type line struct {
	T        float64           `json:"t"`
	Dir      string            `json:"dir"`
	Conn     string            `json:"conn"`
	URL      string            `json:"url"`
	Headers  map[string]string `json:"headers"`
	Status   int               `json:"status"`
	Body     string            `json:"body"`
	Op       string            `json:"op"`
	Code     int               `json:"code"`
	Raw      string            `json:"raw"`
	Text     string            `json:"text"`
	Params   []string          `json:"params"`
	Bytes    int               `json:"bytes"`
	Reason   string            `json:"reason"`
	sequence int
}

const (
	slot   = "supabase_realtime_replication_slot"
	tenant = "realtime-dev"
)

type replay struct {
	t      *testing.T
	srv    *realtimedouble.Server
	db     *pgx.Conn
	secret []byte
	slot   string
	start  time.Time
	lines  []line
	conns  map[string]*peer
	note   string
	// pushes tells that connections are named for what is pushed later.
	pushes bool
	tokens map[string]string
	// ids maps recorded ids of bindings and rows to those of now, and back.
	ids, back map[string]string
}

// peer is the client's side of one recorded connection.
type peer struct {
	ws     *websocket.Conn
	frames chan string
	closed error
}

func newReplay(t *testing.T, file string) *replay {
	lab, err := os.ReadFile("testdata/lab.sql")
	if err != nil {
		t.Fatal(err)
	}
	dsn := pgtest.DB(t, realtimedouble.Roles, string(lab))
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(t.Context()) })
	r := &replay{
		t: t, db: db, secret: []byte("a secret of the recordings"),
		conns: map[string]*peer{}, tokens: map[string]string{}, ids: map[string]string{}, back: map[string]string{},
	}
	r.slot = slot + "_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	o := realtimedouble.Options{IdleTimeout: 10 * time.Minute, Database: dsn, Secret: r.secret, Tenant: tenant, Slot: r.slot}
	name := filepath.Base(file)
	switch name[0] {
	case 'h':
		// What is committed before the slot is made is lost.
		o.ColdStart = 150 * time.Millisecond
	case 'i':
		o.IdleTimeout = 5 * time.Second
	}
	if r.srv, err = realtimedouble.Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.srv.Close)
	r.pushes = strings.HasPrefix(name, "e-jwt-at-join")
	r.load(file)
	return r
}

func (r *replay) load(file string) {
	f, err := os.Open(file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		l := line{sequence: len(r.lines) + 1}
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			r.t.Fatal(err)
		}
		// Left over from the recording before.
		if strings.HasPrefix(filepath.Base(file), "g-") && l.T < 600 && strings.Contains(l.Raw, `"DELETE"`) {
			continue
		}
		r.lines = append(r.lines, l)
	}
}

func (r *replay) run() {
	for i, l := range r.lines {
		if i > 0 && l.T-r.lines[i-1].T > 1000 && (l.Dir == "sql" || l.Dir == "send" || l.Dir == "note") {
			// The recording waited here, for instance for a new slot.
			r.srv.Drain()
		}
		switch l.Dir {
		case "note":
			r.onNote(l)
		case "sql":
			r.sql(l, i)
		case "connect":
			r.connect(l, r.lines[i+1:])
		case "send":
			r.send(l)
		case "recv":
			r.recv(l)
		case "close":
			r.closed(l)
		case "http", "open", "error": // looked at with the connect
		default:
			r.t.Fatalf("line %d: dir %q", l.sequence, l.Dir)
		}
		if r.t.Failed() {
			return
		}
	}
}

func (r *replay) onNote(l line) {
	switch {
	case strings.HasPrefix(l.Text, "start "):
		at, err := time.Parse(time.RFC3339Nano, strings.TrimPrefix(l.Text, "start "))
		if err != nil {
			r.t.Fatal(err)
		}
		r.start = at
	case strings.Contains(l.Text, "in the same breath one more insert"):
		// Committed, and not polled any more.
		r.srv.Drain()
		r.srv.Silence(true)
	case l.Text == "# start the server":
		r.srv.Silence(false)
		if err := r.srv.StartAgain(); err != nil {
			r.t.Fatal(err)
		}
	case strings.HasPrefix(l.Text, "# websocket ping"):
		p := r.conns["c1"]
		if err := p.ws.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(time.Second)); err != nil {
			r.t.Fatal(err)
		}
	case strings.HasPrefix(l.Text, "# client sends a frame over 5 MB"):
		p := r.conns["c1"]
		frame := `[null,"9","phoenix","heartbeat",{"a":"` + strings.Repeat("x", 5_100_000) + `"}]`
		_ = p.ws.WriteMessage(websocket.TextMessage, []byte(frame))
	}
	if strings.HasPrefix(l.Text, "# ") {
		r.note = strings.TrimPrefix(l.Text, "# ")
	}
}

func (r *replay) sql(l line, i int) {
	if strings.HasPrefix(l.Text, "select slot_name") {
		return
	}
	sql := strings.ReplaceAll(l.Text, slot, r.slot)
	var args []any
	for _, p := range l.Params {
		n, err := strconv.Atoi(strings.Trim(p, "<> chars"))
		if err != nil {
			r.t.Fatal(err)
		}
		if strings.Contains(r.note, "jsonb") {
			args = append(args, `{"k":"`+strings.Repeat("x", n-8)+`"}`)
			continue
		}
		if strings.Contains(r.note, "incompressible") {
			args = append(args, bodyOf(r.lines[i+1].Raw))
			continue
		}
		args = append(args, strings.Repeat("x", n))
	}
	var err error
	if len(args) > 0 {
		_, err = r.db.Exec(r.t.Context(), sql, args...)
	} else {
		_, err = r.db.PgConn().Exec(r.t.Context(), sql).ReadAll()
	}
	if err != nil {
		r.t.Fatalf("line %d: %v", l.sequence, err)
	}
}

// connect dials as recorded and compares the handshake's answer.
func (r *replay) connect(l line, rest []line) {
	u, err := url.Parse(l.URL)
	if err != nil {
		r.t.Fatal(err)
	}
	base, _ := url.Parse(r.srv.URL())
	q := u.Query()
	for k, vs := range q {
		q.Set(k, r.withTokens(vs[0], l))
	}
	u.Host, u.RawQuery = base.Host, q.Encode()
	h := http.Header{}
	for k, v := range l.Headers {
		h.Set(k, r.withTokens(v, l))
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(r.t.Context(), u.String(), h)
	want := line{}
	for _, n := range rest {
		if n.Conn == l.Conn && (n.Dir == "http" || n.Dir == "error") {
			want = n
			break
		}
	}
	switch {
	case want.Dir == "error":
		if err == nil || resp != nil {
			r.t.Fatalf("line %d: want no server there, got %v", l.sequence, resp)
		}
		return
	case resp == nil:
		r.t.Fatalf("line %d: %v", l.sequence, err)
	case resp.StatusCode != want.Status:
		r.t.Fatalf("line %d: status %d, want %d", l.sequence, resp.StatusCode, want.Status)
	case want.Status != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(resp.Body)
		if string(body) != want.Body {
			r.t.Fatalf("line %d: body %s, want %s", l.sequence, body, want.Body)
		}
		if got, wanted := resp.Header.Get("Content-Type"), want.Headers["content-type"]; got != wanted {
			r.t.Fatalf("line %d: content type %q, want %q", l.sequence, got, wanted)
		}
		return
	}
	p := &peer{ws: ws, frames: make(chan string, 10_000)}
	ws.SetPongHandler(func(s string) error { p.frames <- s; return nil })
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.frames)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				p.closed = err
				return
			}
			p.frames <- string(data)
		}
	}()
	r.t.Cleanup(func() { _ = ws.Close(); <-done })
	r.conns[l.Conn] = p
}

func (r *replay) send(l line) {
	p := r.conns[l.Conn]
	if l.Op == "close" {
		// Whatever is still to come has come by now.
		r.srv.Drain()
		_ = p.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(l.Code, ""), time.Now().Add(time.Second))
		return
	}
	raw := r.withTokens(l.Raw, l)
	if err := p.ws.WriteMessage(websocket.TextMessage, []byte(raw)); err != nil {
		r.t.Fatalf("line %d: %v", l.sequence, err)
	}
}

func (r *replay) recv(l line) {
	p := r.conns[l.Conn]
	if p == nil {
		r.t.Fatalf("line %d: no connection %q", l.sequence, l.Conn)
	}
	select {
	case got, ok := <-p.frames:
		if !ok {
			r.t.Fatalf("line %d: closed (%v), want %.200s", l.sequence, p.closed, l.Raw)
		}
		want, now := r.normal(l.Raw), r.normal(got)
		if head, tail, cut := strings.Cut(want, "…<cut, "+strconv.Itoa(l.Bytes)+" chars>…"); cut {
			// What was cut had ids too, so they cannot be paired.
			now, head, tail = noIDs(now), noIDs(head), noIDs(tail)
			if !strings.HasPrefix(now, head) || !strings.HasSuffix(now, tail) {
				r.t.Fatalf("line %d: frame differs at its ends: got\n%.600s\n…%s\nwant\n%.600s\n…%s", l.sequence,
					now, now[max(0, len(now)-300):], head, tail[max(0, len(tail)-300):])
			}
			return
		}
		if mapped := r.mapIDs(now, want); mapped != want {
			r.t.Fatalf("line %d (%s): got\n%s\nwant\n%s", l.sequence, r.note, mapped, want)
		}
	case <-time.After(time.Minute):
		r.t.Fatalf("line %d (%s): nothing came, want %.300s", l.sequence, r.note, l.Raw)
	}
}

// closed expects the connection to be closed with the code and nothing to
// have come before that was not recorded.
func (r *replay) closed(l line) {
	p := r.conns[l.Conn]
	if p == nil {
		return // one that was refused
	}
	switch {
	case strings.Contains(r.note, "-9;"):
		r.srv.Kill()
	case strings.Contains(r.note, "SIGTERM;"):
		r.srv.Terminate()
	}
	timeout := time.After(time.Minute)
	for {
		select {
		case f, ok := <-p.frames:
			if ok {
				r.t.Fatalf("line %d (%s): unexpected %.300s", l.sequence, r.note, f)
			}
			var ce *websocket.CloseError
			code := 1006
			if errors.As(p.closed, &ce) {
				code = ce.Code
			}
			// The real server resets the connection after a frame that is too
			// long; the library here says so first.
			if code != l.Code && !(code == websocket.CloseMessageTooBig && l.Code == 1006) {
				r.t.Fatalf("line %d: closed with %d (%v), want %d", l.sequence, code, p.closed, l.Code)
			}
			delete(r.conns, l.Conn)
			return
		case <-timeout:
			r.t.Fatalf("line %d: was not closed, want %d", l.sequence, l.Code)
		}
	}
}

var (
	commitTime = regexp.MustCompile(`"commit_timestamp":"20(2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
	nowTime    = regexp.MustCompile(`"20(2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00"`)
	ago        = regexp.MustCompile(`expired \d+ seconds ago`)
	rowID      = regexp.MustCompile(`"id": ?\d+|"ids":\[[\d,]+\]`)
)
