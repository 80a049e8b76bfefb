package failover

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// tables are where a Writer writes what ChatEngine does not.
type tables interface {
	conversation(ctx context.Context, c Conversation) error
	message(ctx context.Context, m *message) error
	status(ctx context.Context, s *status) error
	// statuses are those that each message has, one after the other. ChatEngine
	// emits a new message with the first.
	statuses() (first, second, third string)
}

// chatEngineTables are those of schemas.ChatEngine.
type chatEngineTables struct{ pool *pgxpool.Pool }

func (chatEngineTables) statuses() (first, second, third string) { return "sent", "delivered", "read" }

func (t chatEngineTables) conversation(ctx context.Context, c Conversation) error {
	_, err := t.pool.Exec(ctx, `insert into conversations (id, workspace_id, contact_id, channel, participants)
		values ($1, $2, $3, 'whatsapp', '[]')`, c.ID, c.Workspace, fmt.Sprintf("contact-%d", c.Number))
	return err
}

func (t chatEngineTables) message(ctx context.Context, m *message) error {
	_, err := t.pool.Exec(ctx, `insert into messages (id, workspace_id, conversation_id, sender_id, type, content, status)
		values ($1, $2, $3, $4, 'text', $5, $6) on conflict (id) do nothing`,
		m.ID, m.WorkspaceID, m.ConversationID, m.SenderID, m.Content, m.Status)
	if err != nil {
		return err
	}
	_, err = t.pool.Exec(ctx, `update conversations set updated_at = now(), last_message = (
			select jsonb_build_object('id', id, 'content', content, 'senderId', sender_id, 'createdAt', created_at)
			from messages where id = $2) where id = $1`, m.ConversationID, m.ID)
	return err
}

func (t chatEngineTables) status(ctx context.Context, s *status) error {
	_, err := t.pool.Exec(ctx, `update messages set status = $2 where id = $1`, s.MessageID, s.Status)
	return err
}

// crmTables are those of schemas.CRM, where messages are found by WhatsApp's id.
type crmTables struct{ pool *pgxpool.Pool }

// The third is there for the sake of a third.
func (crmTables) statuses() (first, second, third string) { return "delivered", "read", "failed" }

func (t crmTables) conversation(ctx context.Context, c Conversation) error {
	contact := fmt.Sprintf(contactIDs, c.Number)
	phone := fmt.Sprintf("55119%08d", c.Number)
	_, err := t.pool.Exec(ctx, `with contact as (
			insert into contacts (id, workspace_id, name, phone) values ($1, $2, $3, $4))
		insert into conversations (id, workspace_id, contact_id, remote_jid) values ($5, $2, $1, $4 || '@s.whatsapp.net')`,
		contact, c.Workspace, fmt.Sprintf("contact %d", c.Number), phone, c.ID)
	return err
}

func (t crmTables) message(ctx context.Context, m *message) error {
	_, err := t.pool.Exec(ctx, `insert into messages (id, workspace_id, conversation_id, external_id, body, type, status, is_outgoing, sender_jid)
		values ($1, $2, $3, $4, $5, 'text', $6, false, $7 || '@s.whatsapp.net') on conflict do nothing`,
		m.RowID, m.WorkspaceID, m.ConversationID, m.ExternalID, m.Content, m.Status, m.SenderID)
	if err != nil {
		return err
	}
	_, err = t.pool.Exec(ctx, `update conversations set last_message_at = now() where id = $1`, m.ConversationID)
	return err
}

func (t crmTables) status(ctx context.Context, s *status) error {
	_, err := t.pool.Exec(ctx, `update messages set status = $2 where external_id = $1`, s.MessageID, s.Status)
	return err
}
