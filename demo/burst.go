package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// Burst writes n incoming messages at once, spread over the conversations of a workspace.
// It may run beside Run, once at a time.
func (t *Traffic) Burst(ctx context.Context, workspace string, n int) error {
	rng := rand.New(rand.NewPCG(t.seed, uint64(time.Now().UnixNano())))
	var chats []*chat
	for _, c := range t.chats {
		if c.workspace == workspace {
			chats = append(chats, c)
		}
	}
	for first := 0; first < n; first += burstBatch {
		last := map[*chat]*message{}
		var of []*chat
		var messages []*message
		for i := first; i < min(first+burstBatch, n); i++ {
			c := chats[i%len(chats)]
			m := &message{
				id: newID(rng), external: newExternalID(rng), body: fmt.Sprintf("%d of %d at once", i+1, n), kind: "text",
				status: "delivered", sender: &c.jid, created: time.Now().Truncate(time.Millisecond),
			}
			last[c], of, messages = m, append(of, c), append(messages, m)
		}
		// A batch is one transaction: repeated, it writes what it has not written.
		err := t.retried(ctx, func() error {
			batch := &pgx.Batch{}
			for i, m := range messages {
				batch.Queue(insertMessage, m.values(of[i])...)
			}
			for c := range last {
				batch.Queue(`update conversations set last_message_at = now() where id = $1`, c.id)
			}
			return t.pool.SendBatch(ctx, batch).Close()
		})
		if err != nil {
			return err
		}
		for i, m := range messages {
			t.messages.Add(1)
			t.heard.message(of[i], m)
		}
		for c, m := range last {
			t.heard.conversation(c, m, m.created)
		}
	}
	return nil
}

// burstBatch is how many messages of a burst are written in one transaction.
const burstBatch = 50
