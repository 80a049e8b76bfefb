package bridge

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/auth"
	"chatbridge/configs"
)

// newAuthenticator returns what judges clients' tokens.
func newAuthenticator(cfg *configs.Config, pool *pgxpool.Pool, key *serviceKey, log *slog.Logger) (*auth.Authenticator, error) {
	a := cfg.Auth
	return auth.New(auth.Options{
		ChatEngineSecrets: reveal(a.ChatEngineSecrets), SupabaseSecrets: reveal(a.SupabaseSecrets), JWKSURL: a.JWKSURL,
		Issuers: a.Issuers, Audiences: a.Audiences,
		SupabaseIssuers: a.SupabaseIssuers, SupabaseAudiences: a.SupabaseAudiences,
		Leeway: a.Leeway, Members: newMembers(cfg, pool, key), MembersTTL: a.Members.CacheTTL, Logger: log,
	})
}

// newMembers returns what tells who belongs to which workspace: by SQL where there is a
// database, else by the project's PostgREST; nil where there is neither.
func newMembers(cfg *configs.Config, pool *pgxpool.Pool, key *serviceKey) auth.Members {
	m := cfg.Auth.Members
	table := auth.MembersTable{Table: m.Table, UserColumn: m.UserColumn, WorkspaceColumn: m.WorkspaceColumn}
	switch url := cfg.Source.Realtime.URL; {
	case pool != nil:
		return auth.NewSQLMembers(pool, table)
	case url != "":
		return auth.NewRESTMembers(nil, url, key.current, table)
	}
	return nil
}

// membersPoolSize bounds the connections for memberships.
const membersPoolSize = 3

// hasMembers reports whether clients are admitted by a membership: those with a
// session token.
func hasMembers(cfg *configs.Config) bool {
	return len(cfg.Auth.SupabaseSecrets) > 0 || cfg.Auth.JWKSURL != ""
}

func reveal(secrets []configs.Secret) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = s.Reveal()
	}
	return plain
}
