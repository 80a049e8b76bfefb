package engine_test

import (
	"encoding/binary"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// benchColumns are the CRM's messages as the database of schemas.CRM has them,
// with the values of an incoming message of about 500 bytes.
var benchColumns = [][3]string{
	{"id", "uuid", "0b7e3f54-51f9-4d6a-9f0e-3a1f6f0e1c11"},
	{"conversation_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000c1"},
	{"whatsapp_number_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000b1"},
	{"body", "text", strings.Repeat("Bom dia! Tudo certo com o pedido? ", 6)},
	{"type", "text", "text"},
	{"status", "text", "delivered"},
	{"is_outgoing", "bool", "f"},
	{"media_url", "text", ""},
	{"external_id", "text", "3EB0C767D1A2B3C4D5E6"},
	{"error_message", "text", ""},
	{"created_at", "timestamptz", "2026-02-05 18:58:02.123456+00"},
	{"workspace_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000a1"},
	{"client_id", "text", ""},
	{"sent_by_user_id", "uuid", ""},
	{"media_path", "text", ""},
	{"media_type", "text", ""},
	{"mime_type", "text", ""},
	{"size_bytes", "int8", ""},
	{"duration_ms", "int4", ""},
	{"thumbnail_path", "text", ""},
	{"thumbnail_url", "text", ""},
	{"provider_reply_id", "text", ""},
	{"reply_to_id", "uuid", ""},
	{"quoted_message", "jsonb", ""},
	{"sender_jid", "text", "5511987654321@s.whatsapp.net"},
}

// insertFrame is the INSERT message of the replication protocol.
func insertFrame(columns [][3]string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'I'}, 1)
	b = binary.BigEndian.AppendUint16(append(b, 'N'), uint16(len(columns)))
	for _, c := range columns {
		if c[2] == "" {
			b = append(b, 'n')
			continue
		}
		b = binary.BigEndian.AppendUint32(append(b, 't'), uint32(len(c[2])))
		b = append(b, c[2]...)
	}
	return b
}

func relationOf(name string, identity source.Identity, columns [][3]string) *source.Relation {
	rel := &source.Relation{Schema: "public", Name: name, Identity: identity}
	for _, c := range columns {
		rel.Columns = append(rel.Columns, source.Column{Name: c[0], Type: c[1]})
	}
	return rel
}

// warmMapper knows the conversation and the contact of benchColumns.
func warmMapper(tb testing.TB) *engine.Mapper {
	tb.Helper()
	m := engine.New(load(tb, "crm"), engine.Options{})
	contact := [][3]string{{"id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000c7"}, {"workspace_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000a1"}, {"name", "text", "Ana"}, {"phone", "text", "5511987654321"}, {"avatar_url", "text", "https://cdn/ana.png"}}
	conversation := [][3]string{
		{"id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000c1"},
		{"workspace_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000a1"},
		{"contact_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000c7"},
		{"updated_at", "timestamptz", "2026-02-05 18:00:00+00"},
		{"whatsapp_number_id", "uuid", "5a1f2c3d-0000-4000-8000-0000000000b1"},
	}
	feed(tb, m, source.Insert, "contacts", contact)
	feed(tb, m, source.Insert, "conversations", conversation)
	return m
}

func feed(tb testing.TB, m *engine.Mapper, op source.Op, table string, columns [][3]string) {
	tb.Helper()
	c := &source.Change{Op: op, Relation: relationOf(table, source.IdentityFull, columns)}
	for _, col := range columns {
		c.New = append(c.New, text(col[2]))
	}
	m.Begin(source.Tx{Commit: 1, Time: time.Unix(1_770_000_000, 0)})
	if err := m.Change(c, discard); err != nil {
		tb.Fatal(err)
	}
	if err := m.Commit(discard); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkInsert is one INSERT of a message of about 500 bytes: decoded from
// the protocol's bytes and mapped to its message and conversation events. The
// goal is 1.5 µs and 1 allocation.
func BenchmarkInsert(b *testing.B) {
	m := warmMapper(b)
	frame := insertFrame(benchColumns)
	rel := relationOf("messages", source.IdentityFull, benchColumns)
	var d pgoutput.Decoder
	events, size := 0, 0
	emit := func(e *contract.Event) error {
		events++
		size += len(e.Payload)
		return nil
	}
	c := source.Change{Op: source.Insert, Relation: rel}
	tx := source.Tx{Time: time.Unix(1_770_000_000, 0)}
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	used := cpuTime(b)
	for b.Loop() {
		tx.Commit++
		m.Begin(tx)
		msg, err := d.Decode(frame)
		if err != nil {
			b.Fatal(err)
		}
		c.New = msg.(*pgoutput.Insert).New
		if err := m.Change(&c, emit); err != nil {
			b.Fatal(err)
		}
		if err := m.Commit(emit); err != nil {
			b.Fatal(err)
		}
	}
	if events != 2*b.N {
		b.Fatalf("%d events from %d rows", events, b.N)
	}
	b.ReportMetric(float64(size)/float64(b.N), "payload-bytes/op")
	b.ReportMetric(float64(cpuTime(b)-used)/float64(b.N), "cpu-ns/op")
}

// cpuTime is the processor time that the process has used: on a machine that
// is busy with other things it tells more than the clock.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStatus is one UPDATE of a message's status, with the old row: one
// messageStatus, and with another id two.
func BenchmarkStatus(b *testing.B) {
	for name, own := range map[string]string{"one": "message: {names: null}", "two": ""} {
		b.Run(name, func(b *testing.B) {
			spec, err := mapping.Parse("crm", "own.yaml", []byte(own))
			if err != nil {
				b.Fatal(err)
			}
			m := engine.New(spec, engine.Options{})
			c := statusChange()
			events, size := 0, 0
			emit := func(e *contract.Event) error {
				events++
				size += len(e.Payload)
				return nil
			}
			tx := source.Tx{Time: time.Unix(1_770_000_000, 0)}
			b.ReportAllocs()
			used := cpuTime(b)
			for b.Loop() {
				if err := mapOne(m, &tx, &c, emit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(events)/float64(b.N), "events/op")
			b.ReportMetric(float64(size)/float64(b.N), "payload-bytes/op")
			b.ReportMetric(float64(cpuTime(b)-used)/float64(b.N), "cpu-ns/op")
		})
	}
}

// statusChange is an UPDATE of the status of benchColumns.
func statusChange() source.Change {
	c := source.Change{Op: source.Update, Relation: relationOf("messages", source.IdentityFull, benchColumns)}
	for _, col := range benchColumns {
		now := text(col[2])
		if col[0] == "status" {
			now = text("read")
		}
		c.Old, c.New = append(c.Old, text(col[2])), append(c.New, now)
	}
	return c
}

func mapOne(m *engine.Mapper, tx *source.Tx, c *source.Change, emit engine.Emit) error {
	tx.Commit++
	m.Begin(*tx)
	if err := m.Change(c, emit); err != nil {
		return err
	}
	return m.Commit(emit)
}

// TestNoAllocations: nothing is allocated for a row whose neighbours are known.
func TestNoAllocations(t *testing.T) {
	m := warmMapper(t)
	status := statusChange()
	inserted := source.Change{Op: source.Insert, Relation: status.Relation, New: status.New}
	edited := statusChange()
	for i, c := range benchColumns {
		if c[0] == "body" {
			edited.New[i] = text("edited")
		}
	}
	tx := source.Tx{Time: time.Unix(1_770_000_000, 0)}
	for name, c := range map[string]*source.Change{"insert": &inserted, "status": &status, "edit": &edited} {
		if n := testing.AllocsPerRun(100, func() {
			if err := mapOne(m, &tx, c, discard); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
