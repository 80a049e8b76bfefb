package failover

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/history"
	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// Recorder reads from a slot of its own what a database committed, in commit
// order: the truth that clients' histories are judged by. It knows messages by
// their names.
type Recorder struct {
	t    testing.TB
	url  string
	form chatengine.Form

	truth     history.Truth
	statuses  map[string]string // a message's last one
	last      map[string]string // a conversation's last message
	relations map[uint32]*pgoutput.Relation
	// engine: ChatEngine emits too, one conversation event for the two rows that
	// a message changes.
	engine bool
	// without is a conversation that is left out, empty for none.
	without string
}

// truthSlot is the recorder's slot and publication.
const truthSlot = "truth"

// Record begins to record a database in the form's tables. engine says that
// ChatEngine serves clients too: it does not repeat a conversation for the two rows
// that a message changes.
func Record(t testing.TB, database string, form chatengine.Form, engine bool) *Recorder {
	t.Helper()
	r := &Recorder{
		t: t, url: database, form: form, engine: engine, statuses: make(map[string]string), last: make(map[string]string),
		relations: make(map[uint32]*pgoutput.Relation),
	}
	r.query(`create publication `+truthSlot+` for table messages, conversations`, nil)
	r.query(`select pg_create_logical_replication_slot('`+truthSlot+`', 'pgoutput')`, nil)
	return r
}

// Truth returns everything committed since Record. It must not be changed.
func (r *Recorder) Truth() *history.Truth {
	r.t.Helper()
	var decoder pgoutput.Decoder
	var tx *transaction
	r.query(`select data from pg_logical_slot_get_binary_changes('`+truthSlot+`', null, null, 'proto_version', '1', 'publication_names', '`+truthSlot+`')`,
		func(data []byte) {
			m, err := decoder.Decode(data)
			if err != nil {
				r.t.Fatal(err)
			}
			switch m := m.(type) {
			case *pgoutput.Begin:
				tx = &transaction{commit: uint64(m.FinalLSN), at: m.CommitTime.Std()}
			case *pgoutput.Commit:
				r.commit(tx)
			case *pgoutput.Relation:
				clone := *m
				r.relations[m.ID] = &clone
			case *pgoutput.Insert:
				if row := r.row(m.RelationID, m.New, true); r.without == "" || row.value["conversation_id"] != r.without {
					tx.rows = append(tx.rows, row)
				}
			case *pgoutput.Update:
				tx.rows = append(tx.rows, r.row(m.RelationID, m.New, false))
			}
		})
	r.truth.Statuses = r.statuses
	return &r.truth
}

// Without leaves a conversation out of the Truth, so that transactions of many of its
// messages may be written. Whether clients show them is Compare's to say.
func (r *Recorder) Without(conversation string) { r.without = conversation }

// Fork says that the database goes on, at an address, from an earlier place of its log:
// what was committed at that place or after it is not in the tables. All of that must
// have been read, by Truth. With undone clients may have seen it while it was; else they
// may not. Fork returns how many events that are. Only for the CRM's tables.
func (r *Recorder) Fork(url string, place uint64, undone bool) int {
	r.t.Helper()
	n := 0
	var there []history.Event
	for _, ev := range r.truth.Events {
		// What an earlier fork has undone is at places that may have been used again.
		if ev.Position.Commit >= place && !ev.Undone {
			n++
			if !undone {
				continue
			}
			ev.Optional, ev.Undone = true, true
		}
		there = append(there, ev)
	}
	r.truth.Events = there
	r.truth.ReadBack = r.truth.ReadBack || undone
	r.url = url
	clear(r.relations)
	r.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '`+truthSlot+`'`, nil)
	r.query(`select pg_create_logical_replication_slot('`+truthSlot+`', 'pgoutput')`, nil)
	tables := load(r.t, url, r.form, "r")
	r.statuses, r.last = tables.statuses, tables.last
	return n
}

func (r *Recorder) query(sql string, take func(data []byte)) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if take == nil {
		if _, err := conn.Exec(ctx, sql); err != nil {
			r.t.Fatal(err)
		}
		return
	}
	rows, err := conn.Query(ctx, sql)
	var data []byte
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&data}, func() error { take(data); return nil })
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// transaction is one of the writer's or ChatEngine's: each changes one row.
type transaction struct {
	commit uint64
	at     time.Time
	rows   []changed
}

// changed is a row after its change.
type changed struct {
	table  string
	insert bool
	value  map[string]string
}

func (r *Recorder) row(id uint32, row source.Row, insert bool) changed {
	rel := r.relations[id]
	c := changed{table: rel.Name, insert: insert, value: make(map[string]string, len(row))}
	for i := range row {
		if row[i].Kind == source.Text {
			c.value[rel.Columns[i].Name] = string(row[i].Data)
		}
	}
	return c
}

// name is that of a message's row.
func (r *Recorder) name(v map[string]string) string {
	if r.form == chatengine.Agreeing {
		return v["id"]
	}
	return v["external_id"]
}

// newest is a conversation's last message, and whether its row says that it is
// still the same. The CRM's says only that the conversation has moved.
func (r *Recorder) newest(v map[string]string) (name string, same bool) {
	if r.form != chatengine.Agreeing {
		return r.last[v["id"]], false
	}
	var last struct{ ID string }
	if text := v["last_message"]; text != "" {
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			r.t.Fatal(err)
		}
	}
	return last.ID, r.last[v["id"]] == last.ID
}

// commit adds a transaction's events, as docs/mapping.md describes them.
func (r *Recorder) commit(tx *transaction) {
	r.t.Helper()
	if len(tx.rows) == 0 {
		return
	}
	if len(tx.rows) != 1 {
		r.t.Fatalf("a transaction of %d rows: the recorder knows the positions of one", len(tx.rows))
	}
	c := tx.rows[0]
	v := c.value
	if r.without != "" && v["id"] == r.without {
		return
	}
	// The indexes of the events of a transaction of one row: its own, and its
	// conversation's.
	own, conversations := uint32(1), uint32(5)
	add := func(index uint32, kind history.Kind, conversation, message, status string, optional bool) {
		r.truth.Events = append(r.truth.Events, history.Event{
			Position: source.Position{Commit: tx.commit, Index: index}, Kind: kind, Workspace: v["workspace_id"],
			Conversation: conversation, Message: message, Status: status, At: tx.at, Optional: optional,
		})
	}
	switch {
	case c.table == "conversations":
		last, same := r.newest(v)
		// The conversation was emitted with its message already, or is written
		// once more with the same one.
		add(conversations, history.Conversation, v["id"], last, "", same && !c.insert || r.engine)
		r.last[v["id"]] = last
	case c.insert:
		add(own, history.Message, v["conversation_id"], r.name(v), v["status"], false)
		add(conversations, history.Conversation, v["conversation_id"], r.name(v), "", false)
		if r.form != chatengine.Agreeing {
			r.last[v["conversation_id"]] = r.name(v)
		}
		r.statuses[r.name(v)] = v["status"]
	default:
		// A server that does not know the state before emits every update.
		same := r.statuses[r.name(v)] == v["status"]
		add(own, history.MessageStatus, v["conversation_id"], r.name(v), v["status"], same)
		if r.form != chatengine.Agreeing { // once more under the provider's id, and the client's
			for index := own + 1; index < conversations-1; index++ {
				add(index, history.MessageStatus, v["conversation_id"], r.name(v), v["status"], true)
			}
		}
		r.statuses[r.name(v)] = v["status"]
	}
}
