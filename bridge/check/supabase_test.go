package check_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatbridge/bridge/check"
	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// supabase is a database as a project of Supabase has it: TLS is required, `postgres`
// owns it and is no superuser, the tables have row level security with policies for
// people, Realtime has its publication and a slot that is older than all of it.
type supabase struct {
	cluster *throwaway.Cluster
	// admin is the superuser's address, owner and ca that of the role postgres and the
	// certificate's authority.
	admin, owner, ca string
}

const owner = "project_owner" // the cluster's superuser is called postgres

func startSupabase(t *testing.T) *supabase {
	t.Helper()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true, Settings: map[string]string{"max_slot_wal_keep_size": "4GB"}})
	p := &supabase{cluster: c}
	data := filepath.Join(c.Dir(), "data")
	p.ca = serverCertificate(t, data, time.Now().Add(time.Hour))
	plain := pgtest.On(t, c)
	name := strings.TrimPrefix(mustParse(t, plain).Path, "/")
	p.admin = c.SocketURL(name)
	sql := []string{
		`select pg_create_logical_replication_slot('supabase_realtime_slot', 'pgoutput')`,
		`create role ` + owner + ` login password 'topsecret' createdb createrole replication bypassrls`,
		`create role anon`, `create role authenticated`, `create role service_role bypassrls`,
		fmt.Sprintf(`alter database "%s" owner to %s`, name, owner), `alter schema public owner to ` + owner,
		`create schema auth`, `create function auth.uid() returns uuid language sql stable as 'select null::uuid'`,
		`grant usage on schema public, auth to anon, authenticated, service_role, ` + owner,
		`set role ` + owner + `; ` + schemas.CRM,
		`grant all on all tables in schema public to anon, authenticated, service_role`,
	}
	for _, table := range []string{"messages", "conversations", "contacts", "workspace_members"} {
		sql = append(sql, `alter table `+table+` enable row level security`)
		check := `workspace_id in (select m.workspace_id from public.workspace_members m where m.user_id = auth.uid())`
		if table == "workspace_members" {
			check = `user_id = auth.uid()`
		}
		sql = append(sql, `create policy people on `+table+` for all to authenticated using (`+check+`)`)
	}
	sql = append(sql, `reset role`, `alter system set ssl = on`, `select pg_reload_conf()`)
	if err := pgtest.Exec(t.Context(), p.admin, sql...); err != nil {
		t.Fatal(err)
	}
	hba := "host all postgres 127.0.0.1/32 trust\nlocal all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostssl replication all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), p.admin, `select pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	p.owner = p.as(t, owner, "sslmode=verify-full&sslrootcert="+p.ca)
	// A reload takes a moment to reach new connections.
	deadline := time.Now().Add(20 * time.Second)
	for err := pgtest.Exec(t.Context(), p.owner); err != nil; err = pgtest.Exec(t.Context(), p.owner) {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return p
}

// as is the address over TCP for a role whose password is topsecret.
func (p *supabase) as(t *testing.T, role, parameters string) string {
	t.Helper()
	u := mustParse(t, p.cluster.URL(strings.TrimPrefix(mustParse(t, p.admin).Path, "/")))
	u.User, u.RawQuery = url.UserPassword(role, "topsecret"), parameters
	return u.String()
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// serverCertificate writes the server's certificate for 127.0.0.1 into its data
// directory, and returns the path of a copy.
func serverCertificate(t *testing.T, dir string, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "project"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := info.Sys().(*syscall.Stat_t)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, content := range map[string][]byte{
		filepath.Join(dir, "server.crt"): crt, ca: crt,
		filepath.Join(dir, "server.key"): pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if path != ca {
			if err := os.Chown(path, int(server.Uid), int(server.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ca
}

// silent wants no finding above ok but those that are named.
func silent(t *testing.T, when string, found []check.Finding, but ...string) {
	t.Helper()
	for _, f := range found {
		named := false
		for _, b := range but {
			named = named || f.Level.String()+" "+f.ID+" "+f.Object == b
		}
		if f.Level != provision.OK && !named {
			t.Errorf("%s: %s %s %s: %s; %s -> %s", when, f.Level, f.ID, f.Object, f.What, f.Meaning, f.Fix)
		}
	}
}

// prepare runs what `bridge setup` prints for this address.
func (p *supabase) prepare(t *testing.T, c *configs.Config, as string, statements func(provision.Report, provision.Want) []provision.Statement, before ...string) {
	t.Helper()
	if err := pgtest.Exec(t.Context(), p.admin, before...); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), as)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	spec, err := mapping.Load(c.Mapping.Preset, "")
	if err != nil {
		t.Fatal(err)
	}
	want, err := requirements.Read(t.Context(), conn, c, spec)
	if err != nil {
		t.Fatal(err)
	}
	report, err := provision.Inspect(t.Context(), conn, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := provision.Apply(t.Context(), conn, statements(report, want)); err != nil {
		t.Fatal(err)
	}
}

// contactsOffer is true of every database without contacts in the publication.
const contactsOffer = "warn publication.offer public.contacts"

// TestSupabase: on a project's database nothing is found that is not so: not before the
// first start, not after setup, not as a role of the bridge's own.
func TestSupabase(t *testing.T) {
	t.Parallel()
	p := startSupabase(t)
	env := []string{"DATABASE_URL=" + p.owner, "SUPABASE_JWT_SECRET=" + secret + "2"}
	c := load(t, env...)
	silent(t, "before the first start", check.Run(t.Context(), c), contactsOffer)

	never := check.Run(t.Context(), load(t, append(env, "BRIDGE_SOURCE_POSTGRES_CREATE=never")...))
	for _, id := range []string{"publication.missing", "slot.missing"} {
		if !contains(never, provision.Fail, id) {
			t.Errorf("nothing creates it, and %s is not found", id)
		}
	}

	p.prepare(t, c, p.owner, func(_ provision.Report, want provision.Want) []provision.Statement {
		return provision.RoleSQL(want, "chatbridge")[1:] // 15 lets only a superuser create it
	}, `create role chatbridge login replication password 'topsecret'`)
	role := p.as(t, "chatbridge", "sslmode=verify-full&sslrootcert="+p.ca)
	asRole := load(t, "DATABASE_URL="+role, "SUPABASE_JWT_SECRET="+secret+"2")
	if found := check.Run(t.Context(), asRole); !contains(found, provision.Fail, "publication.missing") || contains(found, provision.Fail, "slot.missing") {
		t.Errorf("the role may make a slot and no publication: %v", found)
	}

	plan := func(r provision.Report, _ provision.Want) []provision.Statement { return provision.Plan(r) }
	p.prepare(t, c, p.owner, plan)
	found := check.Run(t.Context(), c)
	silent(t, "after setup", found, contactsOffer)
	if !contains(found, provision.OK, "slot.unread") {
		t.Errorf("the slot that nobody reads is not listed: %v", found)
	}
	silent(t, "after setup, as the role of setup --role", check.Run(t.Context(), asRole), contactsOffer)

	t.Run("pooler", func(t *testing.T) { p.checkPooler(t) })

	// The slot can be older than the publication without another slot being so.
	if err := pgtest.Exec(t.Context(), p.owner, `select pg_drop_replication_slot('bridge')`, `drop publication bridge`,
		`select pg_create_logical_replication_slot('bridge', 'pgoutput')`, `insert into contacts (workspace_id, name, phone) values (gen_random_uuid(), 'A', '1')`,
		`insert into conversations (workspace_id, contact_id) select workspace_id, id from contacts`); err != nil {
		t.Fatal(err)
	}
	p.prepare(t, c, p.owner, plan)
	if found := check.Run(t.Context(), c); !contains(found, provision.Warn, "slot.older") {
		t.Errorf("a slot that cannot be read is not found: %v", found)
	}

	t.Run("TLS", func(t *testing.T) { p.checkTLS(t) })
}

// checkTLS: what fails at TLS is told as that, and never as a wrong password.
func (p *supabase) checkTLS(t *testing.T) {
	connects := func(address, want string) {
		t.Helper()
		found := check.Run(t.Context(), load(t, "DATABASE_URL="+address))
		var got []string
		for _, f := range found {
			if strings.HasPrefix(f.ID, "connect.") {
				got = append(got, f.Level.String()+" "+f.ID+": "+f.What+" -> "+f.Fix)
			}
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], want[:strings.Index(want, ":")]) || !strings.Contains(got[0], want[strings.Index(want, ":")+2:]) {
			t.Errorf("%s: %q, want %s", mustParse(t, address).RawQuery, got, want)
		}
	}
	connects(p.as(t, owner, "sslmode=disable"), "fail connect.tls: sslmode=require")
	connects(p.as(t, owner, "sslmode=verify-full"), "fail connect.tls: sslrootcert=")
	connects(strings.Replace(p.owner, "127.0.0.1", "localhost", 1), "fail connect.tls: sslmode=verify-ca")
	connects(strings.Replace(p.owner, "topsecret", "wrong", 1), "fail connect.password: check user and password")
	data := filepath.Join(p.cluster.Dir(), "data")
	expired := serverCertificate(t, data, time.Now().Add(-time.Minute))
	old := p.owner
	p.owner = p.as(t, owner, "sslmode=verify-full&sslrootcert="+expired)
	if err := pgtest.Exec(t.Context(), p.admin, `select pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for pgtest.Exec(t.Context(), old) == nil && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	connects(p.owner, "fail connect.tls: renew it at the server")
	if err := pgtest.Exec(t.Context(), p.admin, `alter system set ssl = off`, `select pg_reload_conf()`); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(fmt.Sprint(pgtest.Exec(t.Context(), p.owner)), "refused TLS") && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	connects(p.owner, "fail connect.tls: sslmode=disable")
}

func contains(found []check.Finding, level provision.Level, id string) bool {
	for _, f := range found {
		if f.ID == id && f.Level == level {
			return true
		}
	}
	return false
}

// checkPooler: look-ups through a pooler in transaction mode find nothing wrong, and
// the pooler's address for the stream is named as what it is.
func (p *supabase) checkPooler(t *testing.T) {
	pooler := pgtest.Pooler(t, p.owner)
	silent(t, "look-ups through the pooler", check.Run(t.Context(), load(t, "DATABASE_URL="+p.owner, "BRIDGE_LOOKUP_URL="+pooler, "SUPABASE_JWT_SECRET="+secret+"2")), contactsOffer)
	found := check.Run(t.Context(), load(t, "DATABASE_URL="+pooler))
	if !contains(found, provision.Fail, "connect.pooler") {
		t.Errorf("the pooler is not recognised: %v", found)
	}
}

// TestGrantsAreSaidOnce: several findings can want the same GRANT; it is printed with the
// first of them.
func TestGrantsAreSaidOnce(t *testing.T) {
	t.Parallel()
	admin := pgtest.DB(t, schemas.CRM, publish, "create role check_granted login replication password 'topsecret'")
	t.Cleanup(func() {
		_ = pgtest.Exec(context.Background(), admin, "drop owned by check_granted", "drop role check_granted")
	})
	u := mustParse(t, admin)
	u.User = url.UserPassword("check_granted", "topsecret")
	found := check.Run(t.Context(), load(t, "DATABASE_URL="+u.String(), "BRIDGE_SOURCE_POSTGRES_SLOT="+slot(t)))
	said := map[string]int{}
	for _, f := range found {
		for statement := range strings.SplitSeq(f.Fix, ";") {
			if statement = strings.TrimSpace(statement); strings.HasPrefix(statement, "GRANT ") {
				said[statement]++
			}
		}
	}
	if len(said) < 4 || !contains(found, provision.Fail, "role.select") || !contains(found, provision.Fail, "lookup.questions") {
		t.Errorf("too little is found: %v", found)
	}
	for statement, times := range said {
		if times > 1 {
			t.Errorf("%d times: %s", times, statement)
		}
	}
}
