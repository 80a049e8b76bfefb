package demo

import (
	"context"
	"fmt"
	"slices"

	"chatbridge/mapping/contract"

	"github.com/jackc/pgx/v5"
)

// history is what a page loads when it opens, from the tables, as the CRM does: all that
// comes after, it must be told over the socket.
type history struct {
	Conversations []listedConversation `json:"conversations"`
	// Messages are the newest, oldest first; Older is how many there are before them.
	Messages []listedMessage `json:"messages"`
	Older    int64           `json:"older"`
}

type listedConversation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type listedMessage struct {
	ID           string             `json:"id"`
	External     string             `json:"external,omitempty"`
	Client       string             `json:"client,omitempty"`
	Conversation string             `json:"conversation"`
	Outgoing     bool               `json:"outgoing"`
	Type         string             `json:"type"`
	Content      string             `json:"content"`
	Status       string             `json:"status"`
	CreatedAt    contract.Timestamp `json:"createdAt"`
}

// maxHistory bounds the messages that a page is given.
const maxHistory = 20_000

// history reads both tables at one moment.
func (s *stage) history(ctx context.Context, workspace string) (h history, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `select v.id::text, c.name from conversations v join contacts c on c.id = v.contact_id
			where v.workspace_id = $1 order by v.last_message_at desc nulls last, c.name`, workspace)
		h.Conversations, err = pgx.CollectRows(rows, pgx.RowToStructByPos[listedConversation])
		if err != nil {
			return err
		}
		rows, _ = tx.Query(ctx, `select id::text, coalesce(external_id, ''), coalesce(client_id, ''), conversation_id::text, is_outgoing, type, body, status,
			to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
			from messages where workspace_id = $1 order by created_at desc, id limit $2`, workspace, maxHistory)
		h.Messages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[listedMessage])
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select count(*) from messages where workspace_id = $1`, workspace).Scan(&h.Older)
	})
	if err != nil {
		return history{}, fmt.Errorf("read what there is: %w", err)
	}
	h.Older -= int64(len(h.Messages))
	slices.Reverse(h.Messages)
	for i := range h.Messages {
		m := &h.Messages[i]
		m.Type, m.Status = messageTypes[m.Type], contractStatus(m.Status)
	}
	return h, nil
}
