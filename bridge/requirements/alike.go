package requirements

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"chatbridge/configs"
	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// DatabaseSQL selects the server's system identifier, which physical standbys share, and
// the oid of the database.
const DatabaseSQL = `select system_identifier::text, (select oid from pg_database where datname = current_database())
	from pg_control_system()`

// DatabaseRemedy is what to do if the role may not run DatabaseSQL.
const DatabaseRemedy = "GRANT EXECUTE ON FUNCTION pg_control_system() TO the bridge's role"

// Database asks which database conn is connected to.
func Database(ctx context.Context, conn *pgx.Conn) (system uint64, oid uint32, err error) {
	var text string
	if err := conn.QueryRow(ctx, DatabaseSQL).Scan(&text, &oid); err != nil {
		return 0, 0, fmt.Errorf("ask the database which one it is: %w", err)
	}
	if system, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, 0, fmt.Errorf("ask the database which one it is: %w", err)
	}
	return system, oid, nil
}

// Alike returns the settings that must be the same in all bridges of a cluster, by key:
// short values as they are, others as a fingerprint. It takes some tens of milliseconds,
// because fingerprints of secrets are slow on purpose. redisDatabase is the number of the
// database in cluster.redis_url.
func Alike(cfg *configs.Config, spec *mapping.Spec, redisDatabase int) map[string]string {
	a := cfg.Auth
	members := a.Members
	alike := map[string]string{
		"mapping":            spec.Fingerprint(),
		"replay.window":      cfg.Replay.Window.String(),
		"replay.message_ids": cfg.Replay.MessageIDs,
		"limits.event":       strconv.FormatInt(int64(cfg.Limits.Event), 10),
		"auth.jwks_url":      fingerprint(a.JWKSURL),
		"auth.issuers":       fingerprint(strings.Join(a.Issuers, "\n")+"\n\n"+strings.Join(a.Audiences, "\n"), strings.Join(a.SupabaseIssuers, "\n")+"\n\n"+strings.Join(a.SupabaseAudiences, "\n")),
		"auth.members":       fingerprint(members.Table, members.UserColumn, members.WorkspaceColumn),

		"auth.chatengine_secret": secretFingerprint(cfg.Cluster.Name, "chatengine", a.ChatEngineSecrets),
		"auth.supabase_secret":   secretFingerprint(cfg.Cluster.Name, "supabase", a.SupabaseSecrets),
	}
	// Redis delivers PUBLISH in all databases of a server, so bridges with different
	// databases hear each other.
	alike["cluster.redis_url"] = "database " + strconv.Itoa(redisDatabase)
	if cfg.Cluster.Role != configs.RoleEdge { // an edge never reads them
		alike["source.postgres.slot"] = cfg.Source.Postgres.Slot
		alike["source.postgres.publication"] = cfg.Source.Postgres.Publication
	}
	return alike
}

func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:4])
}

const (
	// secretRounds makes trying a secret against its fingerprint cost more than trying it
	// against the signature of a token, which every client has.
	secretRounds = 100_000
	// secretBytes is how much of the derived key is shown. One wrong guess in 65536 matches
	// too, so a match proves nothing, and no more than 16 bits about a secret are told.
	secretBytes = 2
)

// secretFingerprint returns the fingerprint of secrets, in their order; "" for none.
// Whoever may read Redis sees it.
func secretFingerprint(cluster, use string, secrets []configs.Secret) string {
	if len(secrets) == 0 {
		return ""
	}
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = s.Reveal()
	}
	key, err := pbkdf2.Key(sha256.New, strings.Join(plain, "\x00"), []byte("chatbridge\x00"+use+"\x00"+cluster), secretRounds, sha256.Size)
	if err != nil {
		return "" // never: the length is right
	}
	return hex.EncodeToString(key[:secretBytes])
}
