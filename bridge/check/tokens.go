package check

import (
	"context"
	"fmt"

	"chatbridge/bridge/auth"
	"chatbridge/configs"
	"chatbridge/internal/plural"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// tokens lists which tokens will be accepted, and reads the published keys.
func (r *run) tokens(ctx context.Context) {
	a := r.cfg.Auth
	if n := len(a.ChatEngineSecrets); n > 0 {
		r.ok("auth.chatengine", "", "ChatEngine tokens are accepted (%s)", plural.Of(n, "secret", "secrets"))
	}
	if n := len(a.SupabaseSecrets); n > 0 {
		r.ok("auth.supabase", "", "Supabase session tokens signed with HS256 are accepted (%s)", plural.Of(n, "secret", "secrets"))
	}
	if a.JWKSURL == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	n, err := auth.FetchKeys(ctx, r.client, a.JWKSURL)
	switch {
	case err != nil && len(a.ChatEngineSecrets)+len(a.SupabaseSecrets) > 0:
		r.warn("auth.jwks", a.JWKSURL, "the project's keys cannot be read: "+bare(err), "session tokens signed with them are not accepted until they can", "check auth.jwks_url and the network, or auth.jwks_url: none where session tokens are not used")
	case err != nil:
		r.fail("auth.jwks", a.JWKSURL, "the project's keys cannot be read: "+bare(err), "no token can be accepted until they can", "check auth.jwks_url and the network")
	case n == 0:
		r.warn("auth.jwks", a.JWKSURL, "the project publishes no key that can be used", "its session tokens are signed with the JWT secret", "auth.supabase_secret (SUPABASE_JWT_SECRET): the project's JWT secret")
	default:
		r.ok("auth.jwks", a.JWKSURL, "the project publishes %s", plural.Of(n, "key", "keys"))
	}
}

// members checks that the members of a workspace can be read, where session
// tokens need it.
func (r *run) members(ctx context.Context) {
	a, m := r.cfg.Auth, r.cfg.Auth.Members
	if len(a.SupabaseSecrets) == 0 && a.JWKSURL == "" {
		return
	}
	if r.nowhere && r.cfg.Lookup.URL == "" {
		return // nor has it the members
	}
	setting, url := r.lookupURL()
	if url == "" {
		r.restTable(ctx, "auth.members", m.Table, []string{m.UserColumn, m.WorkspaceColumn})
		return
	}
	conn, finding := connect(ctx, setting, url, r.cfg)
	if conn == nil {
		if url != r.cfg.Source.Postgres.URL || r.cfg.Source.Kind != configs.KindPostgres {
			r.add(finding)
		}
		return
	}
	defer dial.Close(ctx, conn)
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	table, err := provision.ParseTable(m.Table)
	if err != nil {
		r.fail("auth.members", "auth.members.table", err.Error(), "nobody with a session token is let in", "auth.members.table: name or schema.name")
		return
	}
	sql := fmt.Sprintf("select %s, %s from %s limit 0", pgx.Identifier{m.UserColumn}.Sanitize(), pgx.Identifier{m.WorkspaceColumn}.Sanitize(),
		pgx.Identifier{table.Schema, table.Name}.Sanitize())
	if _, err := conn.Exec(ctx, sql); err != nil {
		r.fail("auth.members", m.Table, "members cannot be read: "+err.Error(), "nobody with a session token is let in",
			fmt.Sprintf("auth.members.table, .user_column and .workspace_column as the table has them, or GRANT SELECT (%s, %s) ON %s TO the bridge's role;", m.UserColumn, m.WorkspaceColumn, table))
		return
	}
	r.ok("auth.members", m.Table, "members can be asked for in %s", m.Table)
}
