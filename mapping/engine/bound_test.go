package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/eventschema"
	"chatbridge/source"
)

const mark = "… [shortened]"

// rowOfAll is a message of the chatengine preset, as fields.
var engineMessage = fields{
	"id": "evo-1", "workspace_id": "w1", "conversation_id": "5511", "sender_id": "5511987654321", "type": "image", "content": "hi",
	"status": "sent", "created_at": "2026-02-05 18:58:02+00", "attachments": nil, "metadata": nil, "external_message_id": "ext",
}

// What makes an event too large is cut or left away; what it cannot do without
// makes it be left out. Either is counted, and warned of once with the row's key.
func TestShortened(t *testing.T) {
	t.Parallel()
	const most = 4000
	large := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		preset  string
		row     fields
		has     []string // in the message
		hasNot  []string
		leftOut bool
	}{
		"content":        {"crm", message.with(fields{"body": large}), []string{mark, `"content":"xxx`, `"metadata":{"shortened":true}`}, []string{strings.Repeat("x", most/2)}, false},
		"media address":  {"crm", message.with(fields{"type": "image", "media_url": "data:image/png;base64," + large, "external_id": "ext"}), []string{`"content":"hi"`, `"type":"image"`, `"metadata":{"providerMessageId":"ext","shortened":true}`}, []string{"attachments", "data:"}, false},
		"stored media":   {"crm", message.with(fields{"type": "image", "media_url": "data:," + large, "media_path": "p/1.png"}), []string{`"url":"p/1.png"`}, []string{"data:"}, false},
		"thumbnail":      {"crm", message.with(fields{"type": "image", "media_url": "https://cdn/1", "thumbnail_url": "data:," + large}), []string{`"url":"https://cdn/1"`}, []string{"thumbnailUrl"}, false},
		"quoted message": {"crm", message.with(fields{"quoted_message": `{"a":"` + large + `"}`, "client_id": "cl"}), []string{`"clientMessageId":"cl"`, `"shortened":true`}, []string{"quotedMessage"}, false},
		"all of them":    {"crm", message.with(fields{"body": large, "media_url": large, "thumbnail_url": large, "quoted_message": `["` + large + `"]`, "mime_type": strings.Repeat("y", 500)}), []string{mark, `"id":"m1"`, `"status":"sent"`}, []string{"quotedMessage"}, false},
		"many":           {"crm", message.with(fields{"body": strings.Repeat("b", 1900), "media_url": strings.Repeat("u", 900), "thumbnail_url": strings.Repeat("t", 900), "quoted_message": `["` + strings.Repeat("q", 900) + `"]`}), []string{`"content":"bbb`}, []string{mark, "quotedMessage"}, false},
		"id":             {"crm", message.with(fields{"id": large}), nil, nil, true},
		"attachments":    {"chatengine", engineMessage.with(fields{"attachments": `[{"id":"a","url":"data:,` + large + `"}]`}), []string{`"content":"hi"`, `"type":"image"`}, []string{"attachments"}, false},
		"metadata":       {"chatengine", engineMessage.with(fields{"metadata": `{"quoted":"` + large + `"}`}), []string{`"metadata":{"providerMessageId":"ext","shortened":true}`}, []string{"quoted"}, false},
		"sender":         {"chatengine", engineMessage.with(fields{"sender_id": large}), nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out []string
			w := newWorld(t, load(t, c.preset), engine.Options{EventBytes: most, LeftOut: func(ws, conv []byte, kind contract.Kind) {
				out = append(out, fmt.Sprintf("%s %s %s", ws, conv, kind))
			}})
			var message string
			for range 2 { // warned of once
				message = ""
				for _, e := range w.tx(insert("messages", c.row)) {
					if len(e.Payload) > most || !json.Valid(e.Payload) {
						t.Errorf("%d bytes of %s: %.200s", len(e.Payload), e.Kind, e.Payload)
					}
					if e.Kind == contract.Message {
						message = string(e.Payload)
					}
				}
			}
			if c.leftOut {
				if s := w.m.Stats(); message != "" || s.LeftOut["message"] != 2 || len(out) < 2 || !strings.HasSuffix(out[0], " message") {
					t.Errorf("sent %.200s; stats %v, told %v", message, s.LeftOut, out)
				}
			} else if s := w.m.Stats(); s.Shortened["message"] != 2 || s.LeftOut["message"] != 0 {
				t.Errorf("stats: %v %v", s.Shortened, s.LeftOut)
			}
			for _, want := range c.has {
				if !strings.Contains(message, want) {
					t.Errorf("no %s in %.300s", want, message)
				}
			}
			for _, not := range c.hasNot {
				if strings.Contains(message, not) {
					t.Errorf("%.40s in %.300s", not, message)
				}
			}
			reasons := map[string]int{}
			for _, x := range w.warnings {
				if x.Reason == "shortened" || x.Reason == "left_out" {
					reasons[x.Reason+x.Table]++
					if !strings.Contains(x.Detail, "limits.event (4000 bytes)") || x.Key == "" || strings.Contains(x.Detail, "xxx") {
						t.Errorf("warned %+v", x)
					}
				}
			}
			if len(reasons) == 0 || reasons["shortenedpublic.messages"] > 1 || reasons["left_outpublic.messages"] > 1 {
				t.Errorf("warned %v", reasons)
			}
		})
	}
}

// A conversation's preview is cut too, and its people's large pictures left away.
func TestConversationIsShortened(t *testing.T) {
	t.Parallel()
	spec, large := load(t, "crm"), strings.Repeat("é", 5000)
	w := newWorld(t, spec, engine.Options{EventBytes: 4000, Lookup: &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation), found(spec, "contact", false, ana.with(fields{"avatar_url": "data:," + large})),
	}}})
	events := w.tx(insert("messages", message.with(fields{"body": large})))
	got := string(events[1].Payload)
	if len(got) > 4000 || !strings.Contains(got, `"participants":[{"id":"ct1","name":"Ana"}]`) || !strings.Contains(got, "é"+mark+`"`) || strings.Contains(got, "\uFFFD") {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
	if n := w.m.Stats().Shortened["conversation"]; n != 1 {
		t.Errorf("%d counted", n)
	}
}

// By default a row with 8 MiB of text goes through whole, even if each of its
// characters takes two in JSON.
func TestDefaultBoundLetsEightMiBThrough(t *testing.T) {
	w := newWorld(t, load(t, "crm"), engine.Options{})
	body := strings.Repeat("\"\n", 4<<20)
	for _, e := range w.tx(insert("messages", message.with(fields{"body": body}))) {
		var o struct {
			Content     string
			LastMessage struct{ Content string }
		}
		if err := json.Unmarshal(e.Payload, &o); err != nil || o.Content+o.LastMessage.Content != body {
			t.Errorf("%s: %v, %d bytes of content", e.Kind, err, len(o.Content)+len(o.LastMessage.Content))
		}
	}
	if s := w.m.Stats(); s.Shortened["message"]+s.Shortened["conversation"] != 0 {
		t.Errorf("shortened %v", s.Shortened)
	}
}

// A huge row is measured before it is copied: what is allocated is bounded by
// the bound, whatever the row's size, and none of it stays in memory.
func TestHugeRowCostsNoMoreThanTheBound(t *testing.T) {
	const most, size, smaller = 1 << 20, 140 << 20, 30 << 20
	for name, c := range map[string]struct {
		column string
		value  []byte
		lookup bool
	}{
		"text":            {"body", bytes.Repeat([]byte("text with \"quotes\"\n"), size/19), false},
		"not UTF-8":       {"body", bytes.Repeat([]byte{0xff}, smaller), false},
		"media":           {"media_url", bytes.Repeat([]byte("A"), size), false},
		"JSON":            {"quoted_message", append(append([]byte(`{"a":"`), bytes.Repeat([]byte("A"), smaller)...), `"}`...), false},
		"while it lacks":  {"body", bytes.Repeat([]byte("A"), smaller), true},
		"while they fail": {"body", bytes.Repeat([]byte("A"), smaller), true},
	} {
		t.Run(name, func(t *testing.T) {
			spec := load(t, "crm")
			o := engine.Options{EventBytes: most, RememberBytes: 4 << 20}
			switch {
			case name == "while they fail":
				o.Lookup = &flaky{down: true}
			case c.lookup:
				o.Lookup = &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}}
			}
			for _, identity := range []source.Identity{source.IdentityFull, source.IdentityDefault} {
				w := newWorld(t, spec, o)
				w.identity = identity
				rel := w.relation("messages", message)
				row, old := rowOf(rel, message), rowOf(rel, message)
				at := slot(rel, c.column)
				row[at] = source.Value{Kind: source.Text, Data: c.value}
				old[at] = source.Value{Kind: source.Text, Data: c.value[:len(c.value)-1]}
				if identity == source.IdentityDefault {
					old = nil
				}
				events := 0
				emit := func(e *contract.Event) error {
					if events++; len(e.Payload) > most {
						t.Errorf("%s of %d bytes", e.Kind, len(e.Payload))
					}
					return nil
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for i, change := range []source.Change{{Op: source.Insert, Relation: rel, New: row}, {Op: source.Update, Relation: rel, New: row, Old: old}} {
					w.m.Begin(source.Tx{Commit: uint64(i + 1), Time: w.time})
					if err := w.m.Change(&change, emit); err != nil {
						t.Fatal(err)
					}
					if err := w.m.Commit(emit); err != nil {
						t.Fatal(err)
					}
				}
				runtime.ReadMemStats(&after)
				if took := after.TotalAlloc - before.TotalAlloc; took > 12*most {
					t.Errorf("%c: allocated %d MiB for a bound of 1", identity, took>>20)
				}
				if n := w.m.Stats().RememberedBytes; n > most {
					t.Errorf("%c: %d bytes are remembered", identity, n)
				}
				if events < 2 {
					t.Errorf("%c: %d events", identity, events)
				}
			}
		})
	}
}

// Nor does an UPDATE whose large value is in the old row alone, while it lacks
// something and so has to wait.
func TestHugeOldValueIsNotCopied(t *testing.T) {
	const most, size = 1 << 20, 30 << 20
	spec := load(t, "crm")
	w := newWorld(t, spec, engine.Options{EventBytes: most, RememberBytes: 4 << 20, Lookup: &answers{found: []engine.Found{found(spec, "conversation", false, conversation)}}})
	rel := w.relation("messages", message)
	row, old := rowOf(rel, message.with(fields{"body": unchanged, "client_id": "new"})), rowOf(rel, message)
	old[slot(rel, "body")].Data = bytes.Repeat([]byte("x"), size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.m.Begin(source.Tx{Commit: 1, Time: w.time})
	if err := w.m.Change(&source.Change{Op: source.Update, Relation: rel, New: row, Old: old}, w.emit); err != nil {
		t.Fatal(err)
	}
	if err := w.m.Commit(w.emit); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 12*most {
		t.Errorf("allocated %d MiB for a bound of 1", took>>20)
	}
	if len(w.events) != 1 || !strings.Contains(string(w.events[0].Payload), `"clientMessageId":"new","shortened":true`) {
		t.Errorf("%d events: %.200s", len(w.events), payloads(w.events))
	}
}

// Whatever the rows hold and however small the bound: every event is within it,
// valid, and in the contract's shape, or it is counted.
func TestRandomRowsWithinTheBound(t *testing.T) {
	t.Parallel()
	v, err := eventschema.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, preset := range []string{"chatengine", "crm"} {
		spec, shortened, sent := load(t, preset), uint64(0), 0
		for seed := range uint64(15) {
			r := rand.New(rand.NewPCG(seed, 8))
			most := 300 + r.IntN(1500)
			w := newWorld(t, spec, engine.Options{EventBytes: most})
			for range 20 {
				var steps []step
				for range 4 {
					row := message
					if preset == "chatengine" {
						row = engineMessage
					}
					row = row.with(nil)
					for name, value := range row {
						if s, ok := value.(string); (ok || value == nil) && r.IntN(4) == 0 && !strings.HasSuffix(name, "id") && name != "created_at" {
							row[name] = s + strings.Repeat([]string{"x", "é", "\"", "\x01", "😀", "\xff"}[r.IntN(6)], r.IntN(900))
						}
					}
					if r.IntN(2) == 0 {
						row["quoted_message"], row["metadata"] = `{"q":"`+strings.Repeat("q", r.IntN(900))+`"}`, `{ "q" : "`+strings.Repeat("q", r.IntN(900))+`" }`
						row["attachments"] = `[{"id":"a","messageId":"m","type":"file","url":"` + strings.Repeat("u", 1+r.IntN(900)) + `"}]`
					}
					steps = append(steps, insert("messages", row))
				}
				for _, e := range w.tx(steps...) {
					sent++
					if len(e.Payload) > most {
						t.Errorf("%d bytes, bound %d: %s", len(e.Payload), most, e.Payload)
					}
					if err := v.Validate(e.Kind.String(), e.Payload); err != nil {
						t.Fatalf("%s: %v", e.Payload, err)
					}
				}
			}
			s := w.m.Stats()
			shortened += s.Shortened["message"]
			if n := s.Events["message"] + s.LeftOut["message"]; n != 80 {
				t.Errorf("%d of 80 messages were sent or counted", n)
			}
		}
		if shortened < 150 || sent < 1000 {
			t.Errorf("%s: only %d of %d events were shortened", preset, shortened, sent)
		}
	}
}
