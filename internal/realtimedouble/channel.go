package realtimedouble

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"chatbridge/internal/retry"
)

// channel is one joined topic.
type channel struct {
	c        *conn
	topic    string
	name     string
	joinRef  json.RawMessage
	bindings []binding
	script   JoinScript
	ctx      context.Context
	cancel   context.CancelFunc

	mu         sync.Mutex
	token      string
	claims     claims
	subscribed bool
	closed     bool
}

// binding is one entry of a join's postgres_changes.
type binding struct {
	id            int
	raw           map[string]json.RawMessage
	event         string
	schema, table string
	filters       []filter
	columns       []string // of select; nil for all
	err           string   // why it cannot be subscribed to
}

func newChannel(c *conn, f clientFrame, name, token string, cl claims, list []map[string]json.RawMessage, sc JoinScript) *channel {
	ch := &channel{
		c: c, topic: f.topic, name: name, joinRef: f.joinRef,
		token: token, claims: cl, script: sc,
	}
	if len(ch.joinRef) == 0 || string(ch.joinRef) == "null" {
		ch.joinRef = nil
	}
	ch.ctx, ch.cancel = context.WithCancel(c.ctx)
	for _, raw := range list {
		ch.bindings = append(ch.bindings, parseBinding(raw))
	}
	return ch
}

func parseBinding(raw map[string]json.RawMessage) binding {
	text := func(k string) string {
		var s string
		_ = json.Unmarshal(raw[k], &s)
		return s
	}
	b := binding{raw: raw, id: entryID(raw), event: strings.ToUpper(text("event")), schema: text("schema"), table: text("table")}
	switch b.event {
	case "INSERT", "UPDATE", "DELETE":
	default:
		b.event = "*"
	}
	_, hasSchema := raw["schema"]
	_, hasTable := raw["table"]
	for _, k := range []string{"schema", "table", "filter"} {
		v, ok := raw[k]
		if ok && (len(v) == 0 || v[0] != '"') {
			hasSchema, hasTable = false, false
		}
	}
	if !hasSchema && !hasTable {
		b.err = "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: " + elixirMap(raw)
		return b
	}
	if b.schema == "" {
		b.schema = "public"
	}
	if b.table == "" {
		b.table = "*"
	}
	if sel, ok := raw["select"]; ok {
		_ = json.Unmarshal(sel, &b.columns)
	}
	b.filters, b.err = parseFilters(text("filter"))
	return b
}

// elixirMap prints a binding as Elixir's inspect does.
func elixirMap(raw map[string]json.RawMessage) string {
	parts := make([]string, 0, len(raw))
	for _, k := range sortedKeys(raw) {
		parts = append(parts, quote(k)+" => "+string(raw[k]))
	}
	return "%{" + strings.Join(parts, ", ") + "}"
}

// describe prints a binding as error messages do.
func (b *binding) describe() string {
	event := b.event
	sel := "nil"
	if b.columns != nil {
		q := make([]string, len(b.columns))
		for i, c := range b.columns {
			q[i] = quote(c)
		}
		sel = "[" + strings.Join(q, ", ") + "]"
	}
	filters := make([]string, len(b.filters))
	for i, f := range b.filters {
		filters[i] = f.inspect()
	}
	return fmt.Sprintf("[event: %s, schema: %s, table: %s, filters: [%s], select: %s]",
		event, b.schema, b.table, strings.Join(filters, ", "), sel)
}

// start registers the subscription, which takes place after the reply, and
// watches the token's expiry.
func (ch *channel) start() {
	ch.c.wg.Go(func() { ch.watchToken() })
	if len(ch.bindings) == 0 {
		return
	}
	ch.c.wg.Go(func() { ch.subscribe() })
}

// subscribe registers the subscription and says so, or why not. One bad
// binding keeps all from being registered.
func (ch *channel) subscribe() {
	sc := ch.script
	for _, b := range ch.bindings {
		if b.err != "" {
			ch.system(b.err, "error", "postgres_changes")
			return
		}
	}
	for _, text := range sc.SystemErrors {
		ch.system(text, "error", "postgres_changes")
		if retry.Sleep(ch.ctx, sc.SystemDelay) != nil {
			return
		}
	}
	if sc.SystemFinal != "" {
		ch.system(sc.SystemFinal, "error", "postgres_changes")
		return
	}
	for i := range ch.bindings {
		if text := ch.c.s.follow.refuses(ch.ctx, &ch.bindings[i], ch.role()); text != "" {
			ch.system(text, "error", "postgres_changes")
			return
		}
	}
	if ch.c.s.follow.ready(ch.ctx) != nil || retry.Sleep(ch.ctx, sc.SystemDelay) != nil {
		return
	}
	if !sc.SystemNever {
		ch.setSubscribed(true)
		ch.system("Subscribed to PostgreSQL", "ok", "postgres_changes")
	}
}

func (ch *channel) role() string {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.claims.role
}

// watchToken ends the channel when its token expires.
func (ch *channel) watchToken() {
	for {
		ch.mu.Lock()
		exp := ch.claims.exp
		ch.mu.Unlock()
		if retry.Sleep(ch.ctx, min(time.Until(exp), time.Second)) != nil {
			return
		}
		if ago := time.Since(exp); ago >= 0 {
			ch.system(expiredText(ago), "error", "system")
			ch.close("phx_close")
			return
		}
	}
}

// newToken deals with an access_token push, which is never replied to.
func (ch *channel) newToken(payload json.RawMessage) {
	token, ok := ownToken(payload)
	ch.mu.Lock()
	same := token == ch.token
	ch.mu.Unlock()
	if !ok || same {
		return
	}
	cl, terr := ch.c.s.verify(token)
	if terr != nil {
		ch.system(terr.system, "error", "system")
		ch.close("phx_close")
		return
	}
	ch.mu.Lock()
	ch.token, ch.claims = token, cl
	ch.mu.Unlock()
	ch.c.wg.Go(func() {
		if retry.Sleep(ch.ctx, ch.c.s.opts.TokenDelay) == nil {
			ch.system("Subscribed to PostgreSQL", "ok", "postgres_changes")
		}
	})
}

func (ch *channel) system(message, status, extension string) {
	ch.mu.Lock()
	closed := ch.closed
	ch.mu.Unlock()
	if closed {
		return
	}
	ch.c.send(ch.joinRef, nil, ch.topic, "system", systemPayload(message, status, extension, ch.name))
}

// close ends the channel and says so.
func (ch *channel) close(event string) {
	if !ch.forget() {
		return
	}
	ch.sayClosed(event)
}

func (ch *channel) sayClosed(event string) {
	ch.c.send(ch.joinRef, ch.joinRef, ch.topic, event, "{}")
}

// stop ends the channel without a word; false where it had ended.
func (ch *channel) stop() bool {
	ch.mu.Lock()
	was := ch.closed
	ch.closed, ch.subscribed = true, false
	ch.mu.Unlock()
	ch.cancel()
	return !was
}

// forget is stop, and the topic is unknown from then on.
func (ch *channel) forget() bool {
	ch.c.mu.Lock()
	if ch.c.channels[ch.topic] == ch {
		delete(ch.c.channels, ch.topic)
	}
	ch.c.mu.Unlock()
	return ch.stop()
}

func (ch *channel) setSubscribed(on bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.subscribed = on && !ch.closed
}

func (ch *channel) isSubscribed() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.subscribed
}
