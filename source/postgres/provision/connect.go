package provision

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"chatbridge/source/postgres/dial"

	"github.com/jackc/pgx/v5/pgconn"
)

// Replication opens a replication connection to url, asks the server who it
// is, and says in a Finding whether that works: the one thing that an ordinary
// connection cannot tell, because poolers pass SQL on but not replication.
// setting names the one that url is from.
func Replication(ctx context.Context, setting, url string) Finding {
	cfg, err := dial.Replication(url, "chatbridge-check")
	if err != nil {
		return Finding{
			ID: "connect.url", Level: Fail, What: "the database's URL cannot be read: " + err.Error(),
			Meaning: "the bridge cannot connect", Fix: setting + ": postgres://user:password@host:5432/database",
		}
	}
	if supavisor(cfg.Host) {
		f := Finding{ID: "connect.pooler", Object: setting, Level: Fail}
		poolerSaid(&f, setting)
		return f
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err == nil {
		_, err = conn.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
		_ = conn.Close(ctx)
	}
	if err != nil {
		f := Connect(setting, err)
		if f.ID == "role.replication" { // of a session, which does not tell who has it
			f.Object, f.Fix = cfg.User, fmt.Sprintf("ALTER ROLE %s REPLICATION;", quoteIdent(cfg.User))
		}
		return f
	}
	return Finding{ID: "connect.replication", Level: OK, What: "the server takes a replication connection"}
}

// Connect turns an error of connecting into a Finding. setting names the one that has the
// database's address.
func Connect(setting string, err error) Finding {
	f := Finding{ID: "connect.failed", Object: setting, Level: Fail, What: "the database cannot be reached: " + dial.Said(err), Meaning: "the bridge cannot connect"}
	var pg *pgconn.PgError
	var dns *net.DNSError
	id, what, remedy, refused := dial.Refused(err)
	switch {
	case refused:
		f.ID, f.What, f.Fix = id, what, remedy
	case errors.As(err, &pg):
		connectCode(&f, setting, pg)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		f.ID = "connect.ipv6"
		f.Fix = dial.HintIPv6
	case errors.As(err, &dns):
		f.ID, f.Fix = "connect.host", "check the host name in "+setting
		f.What = "the database cannot be reached: " + dns.Error()
		if setting == sourceSetting && supavisor(dns.Name) {
			f.Fix = directAddress + setting + ": this name is a connection pooler's, which does not pass replication on"
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		f.ID, f.Fix = "connect.refused", "check that Postgres runs, and host and port in "+setting
	case errors.Is(err, context.DeadlineExceeded):
		f.ID, f.Fix = "connect.timeout", "check firewalls between here and the server, and the host in "+setting
	default:
		f.Fix = "check " + setting
	}
	return f
}

// quotedName is the name that a message of the server has in quotation marks.
func quotedName(message string) string {
	_, name, _ := strings.Cut(message, `"`)
	return name[:max(strings.LastIndex(name, `"`), 0)]
}

// The setting whose address has to be the server's own, and how that is found.
const (
	sourceSetting = "source.postgres.url"
	directAddress = "use the direct address (Supabase: db.<project>.supabase.co, port 5432) in "
)

// supavisor reports whether a host is Supabase's connection pooler, by its name.
func supavisor(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".pooler.supabase.com") || strings.HasSuffix(host, ".pooler.supabase.net")
}

// poolerSaid makes the finding that of a pooler's address.
func poolerSaid(f *Finding, setting string) {
	f.ID, f.What = "connect.pooler", "this address is a connection pooler's"
	f.Meaning = "poolers do not pass replication on"
	f.Fix = directAddress + setting
}

func connectCode(f *Finding, setting string, pg *pgconn.PgError) {
	f.What = fmt.Sprintf("the server refuses: %s (%s)", pg.Message, pg.Code)
	switch {
	case pg.Code == "42601", pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter"):
		poolerSaid(f, setting)
	case dial.NoTenant(pg) && setting == sourceSetting:
		poolerSaid(f, setting)
		f.What += fmt.Sprintf(", which says: %s (%s)", pg.Message, pg.Code)
	case dial.NoTenant(pg):
		f.Fix = "the pooler does not know this project: its user is postgres.<project>, and its host that of the project's region (Supabase: Connect), in " + setting
	case pg.Code == "42704", pg.Code == "22023":
		f.ID = "connect.parameter"
		f.Fix = "correct or leave out this parameter of " + setting + ": libpq's, such as sslmode, and settings of Postgres, such as statement_timeout, are accepted"
	case pg.Code == "28000" && strings.HasSuffix(pg.Message, "is not permitted to log in"):
		f.ID, f.Fix = "connect.login", fmt.Sprintf("ALTER ROLE %s LOGIN;", quoteIdent(quotedName(pg.Message)))
	case pg.Code == "28P01", pg.Code == "28000":
		f.ID, f.Fix = "connect.password", "check user and password in "+setting+", and the server's pg_hba.conf"
	case pg.Code == "3D000":
		f.ID, f.Fix = "connect.database", "check the database's name in "+setting
	case pg.Code == "42501" && strings.Contains(pg.Message, "for database"):
		f.ID, f.Fix = "connect.rights", "GRANT CONNECT ON DATABASE ... TO the user of "+setting+";"
	case pg.Code == "42501":
		f.ID, f.Fix = "role.replication", "ALTER ROLE ... REPLICATION;"
	case pg.Code == "53300" && strings.HasPrefix(pg.Message, "too many connections for role"):
		f.ID = "connect.limit"
		f.Fix = fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT -1; or a number that leaves the bridge its own", quoteIdent(quotedName(pg.Message)))
	case pg.Code == "53300" && strings.HasPrefix(pg.Message, "too many connections for database"):
		f.ID = "connect.limit"
		f.Fix = fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT -1; or a number that leaves the bridge its own", quoteIdent(quotedName(pg.Message)))
	case pg.Code == "53300":
		f.ID, f.Fix = "server.walsenders", "raise max_wal_senders and max_connections, then restart the server"
	case pg.Code == "57P03":
		f.ID, f.Fix = "connect.starting", "wait until the server has started"
	case pg.Code == "08P01":
		f.Fix = "is it a connection pooler? use the server's direct address (Supabase: db.<project>.supabase.co, port 5432) in " + setting + "; its log says more"
	default:
		f.Fix = "see the server's log, which says more; until it is resolved the bridge tries again"
	}
}
