package demo

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"chatbridge/internal/retry"
)

// workers write in parallel, each the rows of its own conversations, so that
// the rows of one conversation keep their order.
const workers = 4

// Traffic writes what a WhatsApp provider's webhooks and the CRM's users
// would write, each statement in its own transaction as PostgREST does:
// an incoming message is the contact typing, INSERT messages, UPDATE
// conversations; an outgoing one is INSERT messages (sending) and then one
// UPDATE a status, with the words that providers use.
type Traffic struct {
	pool *pgxpool.Pool
	// rate is how many messages begin a second, over all conversations.
	rate  float64
	chats []*chat
	seed  uint64
	// heard is told what was written, once it is committed. It is set before Run.
	heard listener

	messages atomic.Int64
}

// listener is told of the writes, those of one message in order, from the goroutine that
// wrote. ChatEngine's stand-in is one.
type listener interface {
	message(c *chat, m *message)
	conversation(c *chat, last *message, updated time.Time)
	status(c *chat, m *message, word string)
	typing(c *chat, typing bool)
}

// nobody is told of nothing.
type nobody struct{}

func (nobody) message(*chat, *message)                 {}
func (nobody) conversation(*chat, *message, time.Time) {}
func (nobody) status(*chat, *message, string)          {}
func (nobody) typing(*chat, bool)                      {}

// NewTraffic fills an empty database in the CRM's schema with two workspaces
// and returns the generator of their traffic. The same seed gives the same
// rows.
func NewTraffic(ctx context.Context, pool *pgxpool.Pool, rate float64, seed uint64) (*Traffic, error) {
	t := &Traffic{pool: pool, rate: rate, seed: seed, heard: nobody{}}
	err := pool.AcquireFunc(ctx, func(c *pgxpool.Conn) (err error) {
		t.chats, err = populate(ctx, c.Conn(), rand.New(rand.NewPCG(seed, 0)))
		return err
	})
	return t, err
}

// Messages returns how many messages have been inserted so far.
func (t *Traffic) Messages() int64 { return t.messages.Load() }

// Run writes until ctx ends, which is no error, or a statement fails.
func (t *Traffic) Run(ctx context.Context) error {
	group, working := errgroup.WithContext(ctx)
	for i := range workers {
		w := &worker{traffic: t, rng: rand.New(rand.NewPCG(t.seed, uint64(i)+1))}
		for j := i; j < len(t.chats); j += workers {
			w.chats = append(w.chats, t.chats[j])
		}
		group.Go(func() error { return w.run(working) })
	}
	err := group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// worker owns some conversations and a queue of the writes still due in them.
type worker struct {
	traffic *Traffic
	rng     *rand.Rand
	chats   []*chat
	agenda  agenda
}

func (w *worker) run(ctx context.Context) error {
	interval := time.Duration(float64(time.Second) * workers / w.traffic.rate)
	// The workers begin spread over one interval rather than all at once.
	next := time.Now().Add(time.Duration(w.rng.Float64() * float64(interval)))
	for {
		due, act := next, w.begin
		if len(w.agenda) > 0 && w.agenda[0].at.Before(next) {
			step := heap.Pop(&w.agenda).(step)
			due, act = step.at, step.act
		} else {
			next = next.Add(interval)
		}
		if err := retry.Sleep(ctx, time.Until(due)); err != nil {
			return err
		}
		if err := act(ctx); err != nil {
			return err
		}
	}
}

func (w *worker) begin(ctx context.Context) error {
	c := w.chats[w.rng.IntN(len(w.chats))]
	if w.rng.IntN(5) < 3 {
		return w.receive(ctx, c)
	}
	return w.send(ctx, c)
}

// receive writes one incoming message; before three of four the contact is
// typing.
func (w *worker) receive(ctx context.Context, c *chat) error {
	arrive := func(ctx context.Context) error {
		m := w.compose(c)
		m.status, m.outgoing, m.sender = "delivered", false, &c.jid
		if err := w.insert(ctx, c, m); err != nil {
			return err
		}
		return w.touch(ctx, c, m)
	}
	if w.rng.IntN(4) == 0 {
		return arrive(ctx)
	}
	if err := w.typing(ctx, c, true); err != nil {
		return err
	}
	w.later(time.Duration(400+w.rng.IntN(1200))*time.Millisecond, func(ctx context.Context) error {
		if err := w.typing(ctx, c, false); err != nil {
			return err
		}
		return arrive(ctx)
	})
	return nil
}

// send writes one outgoing message and, later, its statuses. One in forty
// fails.
func (w *worker) send(ctx context.Context, c *chat) error {
	m := w.compose(c)
	m.status, m.outgoing, m.client = "sending", true, ptr(newID(w.rng))
	if w.rng.IntN(3) > 0 {
		m.user = ptr(agent)
	}
	if err := w.insert(ctx, c, m); err != nil {
		return err
	}
	if w.rng.IntN(40) == 0 {
		w.later(300*time.Millisecond, func(ctx context.Context) error {
			if err := w.exec(ctx, `update messages set status = 'failed', error_message = 'number not on WhatsApp' where id = $1`, m.id); err != nil {
				return err
			}
			w.traffic.heard.status(c, m, "failed")
			return nil
		})
		return nil
	}
	words := [][]string{{"delivered", "read"}, {"DELIVERY_ACK", "READ"}, {"2", "3"}}[w.rng.IntN(3)]
	w.later(time.Duration(100+w.rng.IntN(300))*time.Millisecond, func(ctx context.Context) error {
		if err := w.status(c, m, "sent")(ctx); err != nil {
			return err
		}
		w.later(time.Duration(300+w.rng.IntN(900))*time.Millisecond, w.status(c, m, words[0]))
		w.later(time.Duration(1500+w.rng.IntN(2500))*time.Millisecond, w.status(c, m, words[1]))
		return w.touch(ctx, c, m)
	})
	return nil
}

func (w *worker) status(c *chat, m *message, word string) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := w.exec(ctx, `update messages set status = $2 where external_id = $1`, m.external, word); err != nil {
			return err
		}
		w.traffic.heard.status(c, m, word)
		return nil
	}
}

func (w *worker) typing(ctx context.Context, c *chat, typing bool) error {
	if err := w.exec(ctx, `update conversations set is_typing = $2 where id = $1`, c.id, typing); err != nil {
		return err
	}
	w.traffic.heard.typing(c, typing)
	return nil
}

// touch updates the conversation as the webhook does after each message.
func (w *worker) touch(ctx context.Context, c *chat, last *message) error {
	now := time.Now()
	if err := w.exec(ctx, `update conversations set last_message_at = $2 where id = $1`, c.id, now); err != nil {
		return err
	}
	w.traffic.heard.conversation(c, last, now)
	return nil
}

// insertMessage does nothing for a row that is there: an insert whose answer was lost with
// the connection is repeated.
const insertMessage = `insert into messages (id, workspace_id, conversation_id, whatsapp_number_id, body, type, status, is_outgoing,
	sender_jid, sent_by_user_id, client_id, external_id, created_at, reply_to_id, quoted_message, media_url, media_path, mime_type, size_bytes, duration_ms, thumbnail_url)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) on conflict do nothing`

func (m *message) values(c *chat) []any {
	return []any{
		m.id, c.workspace, c.id, c.number, m.body, m.kind, m.status, m.outgoing,
		m.sender, m.user, m.client, m.external, m.created, m.replyTo, m.quoted, m.url, m.path, m.mime, m.size, m.duration, m.thumbnail,
	}
}

func (w *worker) insert(ctx context.Context, c *chat, m *message) error {
	m.created = time.Now().Truncate(time.Millisecond)
	if err := w.exec(ctx, insertMessage, m.values(c)...); err != nil {
		return err
	}
	w.traffic.messages.Add(1)
	w.traffic.heard.message(c, m)
	c.recent = append(c.recent, m.id)
	if len(c.recent) > 8 {
		c.recent = c.recent[1:]
	}
	return nil
}

func (w *worker) exec(ctx context.Context, sql string, args ...any) error {
	return w.traffic.retried(ctx, func() error {
		_, err := w.traffic.pool.Exec(ctx, sql, args...)
		return err
	})
}

// restartTime is for how long the generator asks a Postgres that does not answer again.
const restartTime = 30 * time.Second

// retried calls write until it succeeds, while Postgres is restarting. The error is of
// another kind, or of one that lasted.
func (t *Traffic) retried(ctx context.Context, write func() error) error {
	for began := time.Now(); ; {
		err := write()
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case !unavailable(err) || time.Since(began) > restartTime:
			return fmt.Errorf("generate traffic: %w", err)
		}
		if err := retry.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// unavailable reports whether an error is of the connection or of a server that starts or
// ends, not of the statement.
func unavailable(err error) bool {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return true
	}
	return strings.HasPrefix(answer.Code, "57P") || strings.HasPrefix(answer.Code, "08")
}

func (w *worker) later(d time.Duration, act func(context.Context) error) {
	heap.Push(&w.agenda, step{time.Now().Add(d), act})
}

// step is a write that is due at a time; agenda is a heap of them by time.
type step struct {
	at  time.Time
	act func(context.Context) error
}

type agenda []step

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(step)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func ptr[T any](v T) *T { return &v }
