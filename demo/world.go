package demo

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// Workspaces are the two sample tenants; the printed token is for the first.
var Workspaces = []string{
	"5a1e0000-0000-4000-8000-00000000000a",
	"5a1e0000-0000-4000-8000-00000000000b",
}

// agent is the user whom outgoing messages name as their sender.
const agent = "a9e70000-0000-4000-8000-000000000001"

var people = []struct{ name, phone string }{
	{"Ana Souza", "5511987650001"},
	{"Bruno Lima", "5511987650002"},
	{"Carla Mendes", "5521987650003"},
	{"Diego Ramos", "5531987650004"},
	{"Elisa Prado", "5541987650005"},
	{"Fábio Nunes", "5551987650006"},
	{"Grace Okafor", "2348012345678"},
	{"Hana Sato", "819012345678"},
}

// chat is one conversation of the generator, owned by the worker that writes
// its rows.
type chat struct {
	workspace, number, contact, id, jid string
	group                               bool
	recent                              []string // ids of its latest messages, for replies
}

// populate inserts each workspace's number, contacts and conversations, the
// last of which is a group.
func populate(ctx context.Context, conn *pgx.Conn, rng *rand.Rand) ([]*chat, error) {
	var chats []*chat
	batch := &pgx.Batch{}
	for w, workspace := range Workspaces {
		number := newID(rng)
		batch.Queue(`insert into workspace_members (user_id, workspace_id, role) values ($1, $2, 'agent')`, agent, workspace)
		for i, p := range people {
			c := &chat{
				workspace: workspace, number: number, contact: newID(rng), id: newID(rng),
				jid: p.phone + "@s.whatsapp.net", group: i == len(people)-1,
			}
			name, phone := p.name, p.phone
			var groupJID *string
			if c.group {
				jid := fmt.Sprintf("1203630%011d@g.us", 40+w)
				name, phone, groupJID = "Equipe de vendas", "group:"+jid, &jid
			}
			batch.Queue(`insert into contacts (id, workspace_id, name, phone, avatar_url, raw_jid) values ($1, $2, $3, $4, $5, $6)`,
				c.contact, workspace, name, phone, "https://avatars.example/"+phone+".jpg", c.jid)
			batch.Queue(`insert into conversations (id, workspace_id, contact_id, whatsapp_number_id, remote_jid, is_group, group_remote_jid)
				values ($1, $2, $3, $4, $5, $6, $7)`, c.id, workspace, c.contact, number, c.jid, c.group, groupJID)
			chats = append(chats, c)
		}
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("insert sample workspaces: %w", err)
	}
	return chats, nil
}

// newID returns a version 4 UUID from rng, so that a run can be repeated.
func newID(rng *rand.Rand) string {
	var b [16]byte
	for i := 0; i < len(b); i += 8 {
		v := rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
