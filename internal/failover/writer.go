package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/chatengine"

	"github.com/jackc/pgx/v5/pgxpool"
)

// WriterOptions say what is written.
type WriterOptions struct {
	// Form says into which tables.
	Form chatengine.Form
	// DatabaseURL is a database with them.
	DatabaseURL string
	// Engine is ChatEngine's address, such as http://127.0.0.1:3000, which stores
	// and emits. While it does not answer, rows are written directly into the
	// database, as the CRM's functions do. Empty: all are.
	Engine string
	// Conversations are written to in turn.
	Conversations []Conversation
	// Timeout is how long ChatEngine may take for a write before it is made
	// directly in the database; zero: 10 s. With too short a timeout a busy
	// ChatEngine is bypassed, and never emits what it did not write.
	Timeout time.Duration
	// Rate is messages per second. With each message come two changes of status of
	// earlier ones, and a change of its conversation.
	Rate int
}

// Writer writes messages and statuses at a steady rate. Within a conversation
// it waits for each write before the next, so that the order of commits is that
// of the message's numbers.
type Writer struct {
	t      testing.TB
	opts   WriterOptions
	pool   *pgxpool.Pool
	client *http.Client

	stop   context.CancelFunc
	ended  sync.WaitGroup
	round  string
	avoid  atomic.Int64 // Unix nanoseconds until which ChatEngine is not asked
	counts struct{ messages, statuses, direct atomic.Int64 }
}

// write is one message or one status to store.
type write struct {
	Message *message
	Status  *status
}

// message and status are the bodies of the stand-in's POST /messages and
// /statuses. ID is the message's name, which the real form calls ExternalID.
type message struct {
	ID             string `json:"id"`
	ExternalID     string `json:"externalId"`
	RowID          string `json:"rowId"`
	WorkspaceID    string `json:"workspaceId"`
	ConversationID string `json:"conversationId"`
	SenderID       string `json:"senderId"`
	Content        string `json:"content"`
	Status         string `json:"status"`
}

type status struct {
	MessageID      string `json:"messageId"`
	ConversationID string `json:"conversationId"`
	Status         string `json:"status"`
}

// NewWriter creates the conversations' rows. It writes nothing more before
// Start. Its connections end with the test.
func NewWriter(t testing.TB, o WriterOptions) *Writer {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	config, err := pgxpool.ParseConfig(o.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 8
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(t.Context()), config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: len(o.Conversations)}
	w := &Writer{t: t, opts: o, pool: pool, client: &http.Client{Transport: transport, Timeout: o.Timeout}}
	t.Cleanup(func() {
		w.Stop()
		transport.CloseIdleConnections()
		pool.Close()
	})
	for _, c := range o.Conversations {
		if err := w.tables().conversation(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Start begins a round: its messages' names begin with the round's.
func (w *Writer) Start(round string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	w.stop, w.round = cancel, round
	queues := make([]chan write, len(w.opts.Conversations))
	for i := range queues {
		queues[i] = make(chan write, 4096)
		w.ended.Go(func() {
			for op := range queues[i] {
				w.store(op)
			}
		})
	}
	w.ended.Go(func() {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		tick := time.NewTicker(time.Second / time.Duration(w.opts.Rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			i := n % len(queues)
			for _, op := range w.next(w.opts.Conversations[i], n/len(queues)) {
				queues[i] <- op
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// Stop ends the round and returns when all that was due is stored.
func (w *Writer) Stop() {
	if w.stop != nil {
		w.stop()
		w.ended.Wait()
		w.stop = nil
	}
}

// Bulk writes messages numbered from, and n of them, into a conversation that Start does
// not write to, in one transaction. They are of round r00. Only the CRM's tables have it.
func (w *Writer) Bulk(ctx context.Context, c Conversation, from, n int) error {
	name := messageName("r00", c, 0)
	name = name[:len(name)-6]
	id := rowID(messageName("r00", c, 0))
	_, err := w.pool.Exec(ctx, `insert into messages (id, workspace_id, conversation_id, external_id, body, type, status, is_outgoing, sender_jid, created_at)
		select ($1 || lpad(n::text, 6, '0'))::uuid, $2, $3, $4 || lpad(n::text, 6, '0'), 'one of many', 'text', 'delivered', false, '5511987654321@s.whatsapp.net', clock_timestamp()
		from generate_series($5::int, $6::int) n order by n`,
		id[:len(id)-6], c.Workspace, c.ID, name, from, from+n-1)
	return err
}

// Foreign writes bytes to the database's log that nobody is given.
func (w *Writer) Foreign(ctx context.Context, size int) error {
	_, err := w.pool.Exec(ctx, `select pg_logical_emit_message(false, 'foreign', repeat('x', $1))`, size)
	return err
}

// Conversation creates another conversation's row.
func (w *Writer) Conversation(c Conversation) {
	w.t.Helper()
	if err := w.tables().conversation(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

// Written returns how many messages and statuses are stored, and how many of
// both without ChatEngine.
func (w *Writer) Written() (messages, statuses, direct int64) {
	return w.counts.messages.Load(), w.counts.statuses.Load(), w.counts.direct.Load()
}

// next returns a conversation's nth message and statuses of earlier ones.
func (w *Writer) next(c Conversation, n int) []write {
	id := func(n int) string { return messageName(w.round, c, n) }
	first, second, third := w.tables().statuses()
	ops := []write{{Message: &message{
		ID: id(n), ExternalID: id(n), RowID: rowID(id(n)), WorkspaceID: c.Workspace, ConversationID: c.ID, SenderID: "5511987654321",
		Content: fmt.Sprintf("message %d of %s in %s: Olá! Posso confirmar para amanhã às 10h?", n, c.ID, w.round),
		Status:  first,
	}}}
	if n >= 1 {
		ops = append(ops, write{Status: &status{id(n - 1), c.ID, second}})
	}
	if n >= 3 {
		ops = append(ops, write{Status: &status{id(n - 3), c.ID, third}})
	}
	return ops
}

// store stores one write, and retries until it succeeds: the database may be
// restarting. While ChatEngine answers, even with an error, it has to store and
// emit; it is bypassed only while it does not answer.
func (w *Writer) store(op write) {
	for {
		err := w.byEngine(op)
		if errors.Is(err, errNoEngine) {
			if err = w.direct(op); err == nil {
				w.counts.direct.Add(1)
			}
		}
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if op.Message != nil {
		w.counts.messages.Add(1)
	} else {
		w.counts.statuses.Add(1)
	}
}

// errNoEngine says that ChatEngine does not answer.
var errNoEngine = errors.New("no ChatEngine")

func (w *Writer) byEngine(op write) error {
	if w.opts.Engine == "" || time.Now().UnixNano() < w.avoid.Load() {
		return errNoEngine
	}
	path, value := "/messages", any(op.Message)
	if op.Status != nil {
		path, value = "/statuses", op.Status
	}
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	resp, err := w.client.Post(w.opts.Engine+path, "application/json", bytes.NewReader(body))
	if err != nil {
		if os.IsTimeout(err) {
			// Otherwise each write to one that hangs would wait for the timeout.
			w.avoid.Store(time.Now().Add(time.Second).UnixNano())
		}
		return errNoEngine
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("ChatEngine answered %s", resp.Status)
	}
	return nil
}

// direct writes the rows as ChatEngine does: a message and its conversation in
// a transaction each. Repeating it changes nothing.
func (w *Writer) direct(op write) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), 5*time.Second)
	defer cancel()
	if op.Status != nil {
		return w.tables().status(ctx, op.Status)
	}
	return w.tables().message(ctx, op.Message)
}

func (w *Writer) tables() tables {
	if w.opts.Form == chatengine.Agreeing {
		return chatEngineTables{w.pool}
	}
	return crmTables{w.pool}
}
