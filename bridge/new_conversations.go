package bridge

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/configs"
	"chatbridge/mapping"
)

// newConversations returns what tells which conversations a workspace has: by SQL where
// there is a database, else by the project's PostgREST; nil where there is neither, or where
// the mapping's table of conversations lacks a column for the id or the workspace. A
// conversation's row is looked up like a membership's, by both ids.
func newConversations(cfg *configs.Config, pool *pgxpool.Pool, spec *mapping.Spec, key *serviceKey) api.Conversations {
	id, workspace, ok := conversationColumns(spec)
	if !ok {
		return nil
	}
	columns := auth.MembersTable{Table: conversationTable(spec), UserColumn: id, WorkspaceColumn: workspace}
	switch url := cfg.Source.Realtime.URL; {
	case pool != nil:
		return conversations{auth.NewSQLMembers(pool, columns)}
	case url != "":
		return conversations{auth.NewRESTMembers(nil, url, key.current, columns)}
	}
	return nil
}

// conversationColumns returns the columns of a conversation's id and workspace; ok is false
// where one of them is no column of the table.
func conversationColumns(spec *mapping.Spec) (id, workspace string, ok bool) {
	table := spec.Tables()[1]
	if table.Workspace < 0 {
		return "", "", false
	}
	i, w := &table.Columns[table.Key], &table.Columns[table.Workspace]
	return i.Name, w.Name, !i.Derived() && !w.Derived()
}

// conversationTable returns the mapping's table of conversations, as schema.name.
func conversationTable(spec *mapping.Spec) string {
	table := spec.Tables()[1]
	return table.Schema + "." + table.Name
}

// conversations implements api.Conversations and api.Written. rows looks up conversations: a
// Membership's User is the conversation's id.
type conversations struct {
	rows auth.Members
}

// Has implements api.Conversations.
func (c conversations) Has(ctx context.Context, workspace, conversation string) (bool, error) {
	found, err := c.rows.Find(ctx, conversation, workspace)
	return found != "", err
}

// Written implements api.Written.
func (c conversations) Written(ctx context.Context, workspace, conversation string) (string, error) {
	found, err := c.rows.Existing(ctx, []auth.Membership{{User: conversation, Workspace: workspace}})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].User, nil
}
