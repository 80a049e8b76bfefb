package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/ops"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

const (
	projectSecret = "the-project's-secret-of-the-tests"
	ana           = "a0a00000-0000-4000-8000-000000000001"
	ben           = "b0b00000-0000-4000-8000-000000000002"
)

// memberToken is a Supabase session token.
func memberToken(t *testing.T, user string) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user, "role": "authenticated", "aud": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(projectSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// member is a client with a session token. ended gets why it stopped for good.
type member struct {
	connected chan struct{}
	dropped   chan error
	ended     chan error
}

// member connects a user to a workspace.
func (d *daemonTest) member(user, workspace string) *member {
	d.t.Helper()
	m := &member{connected: make(chan struct{}, 100), dropped: make(chan error, 100), ended: make(chan error, 1)}
	c, err := sioclient.New(sioclient.Options{
		URL: d.url, Auth: map[string]any{"token": memberToken(d.t, user), "workspaceId": workspace},
		Backoff:      sioclient.Backoff{Delay: 500 * time.Millisecond, Most: time.Second}, // as the CRM's, about
		OnConnect:    func(sioclient.Session) { m.connected <- struct{}{} },
		OnDisconnect: func(err error, _ time.Duration) { m.dropped <- err },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.ended <- c.Run(ctx) }()
	d.t.Cleanup(func() { cancel(); <-done })
	await(d.t, "the member to be connected", m.connected)
	return m
}

// await receives from a channel.
func await[V any](t *testing.T, what string, c <-chan V) V {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// refused waits until the member is out: closed without a DISCONNECT packet, and
// refused when it comes back. It returns how long closing took.
func (m *member) refused(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	first := await(t, "the member's end", m.dropped)
	took := time.Since(since)
	if errors.Is(first, sioclient.ErrDisconnected) {
		t.Error("a DISCONNECT packet, after which a client never comes back")
	}
	var refused *sioclient.ConnectError
	if err := await(t, "the refusal", m.ended); !errors.As(err, &refused) || !strings.Contains(fmt.Sprint(refused), "member") {
		t.Errorf("when it came back: %v", err)
	}
	return took
}

func (m *member) stays(t *testing.T) {
	t.Helper()
	select {
	case err := <-m.dropped:
		t.Errorf("a member was dropped: %v", err)
	default:
	}
}

// membersDatabase is a CRM's in which ana and ben are members of the workspace.
func membersDatabase(t *testing.T, more ...string) (dsn string, conn *pgx.Conn) {
	t.Helper()
	dsn = pgtest.DB(t, append([]string{schemas.CRM}, more...)...)
	conn, _ = crmDatabase(t, dsn, 1)
	run(t, conn, "insert into workspace_members (user_id, workspace_id, role) values ($1, $3, 'agent'), ($2, $3, 'agent')", ana, ben, workspace)
	return dsn, conn
}

func run(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// TestRemovedMemberIsDisconnected: by the stream, whatever a row of it tells.
func TestRemovedMemberIsDisconnected(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ setup, remove string }{
		"the row tells its key alone": {"", "delete from workspace_members where user_id = $1"},
		"the row tells all":           {"alter table workspace_members replica identity full", "delete from workspace_members where user_id = $1"},
		"moved to another workspace":  {"", "update workspace_members set workspace_id = gen_random_uuid() where user_id = $1"},
		"moved, and the row tells":    {"alter table workspace_members replica identity full", "update workspace_members set workspace_id = gen_random_uuid() where user_id = $1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, conn := membersDatabase(t, tt.setup)
			d := startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret, "BRIDGE_AUTH_MEMBERS_CACHE_TTL=1h")
			d.ready()
			left, stays := d.member(ana, workspace), d.member(ben, workspace)
			other := d.client() // by a token of ChatEngine's
			since := time.Now()
			run(t, conn, tt.remove, ana)
			if took := left.refused(t, since); took > 10*time.Second { // cache_ttl is an hour
				t.Errorf("disconnected only after %v", took)
			}
			stays.stays(t)
			if n := len(other.connected); n > 0 {
				t.Errorf("a client of ChatEngine's had to connect again %d times", n)
			}
			if s := d.Snapshot().API; s.MembersLeft != 1 {
				t.Errorf("counted %d clients", s.MembersLeft)
			}
			if n := strings.Count(d.log.String(), "the table of members is followed"); n != 1 {
				t.Errorf("%d log lines that it is followed", n)
			}
		})
	}
}

// TestRemovedMemberWhereChangesAreNotFollowed: then the database is asked again
// every cache_ttl, and the log says so once.
func TestRemovedMemberWhereChangesAreNotFollowed(t *testing.T) {
	t.Parallel()
	const ttl = "BRIDGE_AUTH_MEMBERS_CACHE_TTL=1s"
	check := func(t *testing.T, d *daemonTest, conn *pgx.Conn) {
		d.ready()
		left, stays := d.member(ana, workspace), d.member(ben, workspace)
		run(t, conn, "delete from workspace_members where user_id = $1", ana)
		left.refused(t, time.Now())
		stays.stays(t)
		if n := strings.Count(d.log.String(), "the table of members is not followed"); n != 1 {
			t.Errorf("%d log lines that it is not followed", n)
		}
	}
	t.Run("not published", func(t *testing.T) {
		t.Parallel()
		dsn, conn := membersDatabase(t, "create publication bridge for table messages, conversations")
		run(t, conn, "select pg_create_logical_replication_slot(current_database(), 'pgoutput')")
		check(t, startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret, "BRIDGE_SOURCE_POSTGRES_CREATE=never", ttl), conn)
	})
	t.Run("no primary key", func(t *testing.T) {
		t.Parallel()
		dsn, conn := membersDatabase(t, "alter table workspace_members drop constraint workspace_members_pkey")
		check(t, startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret, ttl), conn)
	})
	t.Run("realtime", func(t *testing.T) {
		t.Parallel()
		dsn, conn := membersDatabase(t, realtimedouble.Roles)
		p := startProject(t, dsn)
		check(t, runDaemon(t, []string{
			"BRIDGE_SOURCE_KIND=realtime", "SUPABASE_URL=" + p.URL(), "SUPABASE_SERVICE_ROLE_KEY=" + p.Key(),
			"BRIDGE_SOURCE_REALTIME_RECONCILE_INTERVAL=1s", "SUPABASE_JWT_SECRET=" + projectSecret, "BRIDGE_AUTH_JWKS_URL=none", ttl,
		}), conn)
	})
}

// latencies is how long messages that need a look-up take to the client, in order of
// length, each of a conversation that nobody has asked about before.
func (c *crm) latencies(conn *pgx.Conn, phase string) []time.Duration {
	c.t.Helper()
	var took []time.Duration
	for i := range 50 {
		body := fmt.Sprint(phase, i)
		var phone string
		if err := conn.QueryRow(c.t.Context(), `with c as (
				insert into contacts (workspace_id, name, phone) select $1, 'Someone', '55219' || lpad((random() * 99999999)::int::text, 8, '0') returning id, phone
			), v as (
				insert into conversations (workspace_id, contact_id) select $1, id from c returning id, contact_id
			) select phone from c`, workspace).Scan(&phone); err != nil {
			c.t.Fatal(err)
		}
		began := time.Now()
		run(c.t, conn, `insert into messages (workspace_id, conversation_id, body, status, is_outgoing)
			select $1, v.id, $2, 'sent', false from conversations v join contacts c on c.id = v.contact_id where c.phone = $3`, workspace, body, phone)
		var got event
		c.await(body, func(events []event) bool {
			i := slices.IndexFunc(events, func(e event) bool { return e.Name == "message" && e.Payload["content"] == body })
			if i >= 0 {
				got = events[i]
			}
			return i >= 0
		})
		took = append(took, time.Since(began))
		if got.Payload["senderId"] != phone {
			c.t.Errorf("a message went out without its look-up: %v", got.Payload)
		}
	}
	slices.Sort(took)
	return took
}

// TestStarvedMembershipsDoNotDelayLookups: whoever holds a session token may ask
// about workspaces as often as it likes, and while the database cannot answer
// that, the messages of all go out with what is looked up for them.
func TestStarvedMembershipsDoNotDelayLookups(t *testing.T) {
	t.Parallel()
	dsn, conn := membersDatabase(t)
	d := startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret)
	d.ready()
	c := d.client()
	d.live(1)
	before := c.latencies(conn, "before")
	locker, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close(context.WithoutCancel(t.Context()))
	run(t, locker, "begin; lock table workspace_members in access exclusive mode")
	for i := range 30 {
		asker, err := sioclient.New(sioclient.Options{
			URL: d.url, Auth: map[string]any{
				"token":       memberToken(t, fmt.Sprintf("e0e00000-0000-4000-8000-%012d", i)),
				"workspaceId": fmt.Sprintf("f0f00000-0000-4000-8000-%012d", i),
			},
			Backoff: sioclient.Backoff{Delay: 10 * time.Millisecond, Most: 200 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = asker.Run(ctx) }()
		defer func() { cancel(); <-done }()
	}
	waiting := func() (n int) {
		if err := conn.QueryRow(t.Context(), "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%workspace_members%'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	d.await("all connections for memberships being in use", func() bool { return waiting() >= 3 })
	starved := c.latencies(conn, "starved")
	t.Logf("commit to client with a look-up, p50 and longest of 50: %v and %v before, %v and %v meanwhile", before[len(before)/2], before[len(before)-1], starved[len(starved)/2], starved[len(starved)-1])
	if p50 := starved[len(starved)/2]; p50 > 5*before[len(before)/2]+50*time.Millisecond {
		t.Errorf("a message takes %v, and %v without the attack", p50, before[len(before)/2])
	}
	if waiting() < 3 {
		t.Error("the memberships were answered meanwhile")
	}
	if l := d.Snapshot().Pipeline.Mapping.Lookups; l.Timeouts+l.Errors != 0 {
		t.Errorf("look-ups failed: %+v", l)
	}
}

// TestLimitedQuestionsShow: a user who asks about workspaces of others is not answered
// any more, which /status, /metrics and the log tell, and a member still comes in.
func TestLimitedQuestionsShow(t *testing.T) {
	t.Parallel()
	dsn, _ := membersDatabase(t)
	d := startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret)
	d.ready()
	// ask returns the refusal, or why the connection was closed without one.
	ask := func(workspace string) error {
		var why error
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		c, err := sioclient.New(sioclient.Options{
			URL: d.url, Auth: map[string]any{"token": memberToken(t, "e0e00000-0000-4000-8000-000000000001"), "workspaceId": workspace},
			OnDisconnect: func(err error, _ time.Duration) { why = err; cancel() },
		})
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(c.Run(ctx), why)
	}
	var refused *sioclient.ConnectError
	n := 0
	for ; n < 100; n++ {
		if err := ask(fmt.Sprintf("f0f00000-0000-4000-8000-%012d", n)); !errors.As(err, &refused) {
			break
		}
	}
	if n != 20 {
		t.Errorf("%d questions were answered no", n)
	}
	d.member(ana, workspace)
	limited := d.Snapshot().Auth.Members.Limited
	if limited == 0 {
		t.Fatal("nothing was counted")
	}
	for path, want := range map[string]string{
		"/status": fmt.Sprintf(`"membersLimited": %d`, limited), "/metrics": fmt.Sprintf(`bridge_membership_checks_total{result="limited"} %d`, limited),
	} {
		if said := d.admin(path); !strings.Contains(said, want) {
			t.Errorf("%s does not show %s:\n%s", path, want, said)
		}
	}
	if n := strings.Count(d.log.String(), "clients ask about too many workspaces of others"); n != 1 {
		t.Errorf("%d log lines", n)
	}
}

// TestMembersAreOffered: the table is put into the publication where that can be,
// what is missing is said, and no change of it counts as a loss of changes.
func TestMembersAreOffered(t *testing.T) {
	t.Parallel()
	dsn, conn := membersDatabase(t)
	d := startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+projectSecret, "BRIDGE_SOURCE_POSTGRES_WATCH_INTERVAL=100ms", "BRIDGE_AUTH_MEMBERS_CACHE_TTL=1s")
	d.ready()
	published := func() bool {
		var is bool
		if err := conn.QueryRow(t.Context(), "select exists (select from pg_publication_tables where tablename = 'workspace_members')").Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	if !published() {
		t.Fatalf("not published; log:\n%s", d.log)
	}
	run(t, conn, "alter publication bridge drop table workspace_members")
	d.await("the log's line", func() bool { return strings.Contains(d.log.String(), "the table of members is not followed") })
	left := d.member(ana, workspace)
	run(t, conn, "delete from workspace_members where user_id = $1", ana)
	left.refused(t, time.Now())
	if published() {
		t.Error("it was put back, although somebody took it out")
	}
	if s := d.Snapshot(); s.Ready.Status != ops.ReadyOK || s.Pipeline.Gaps != 0 {
		t.Errorf("ready %+v, %d gaps", s.Ready, s.Pipeline.Gaps)
	}
}
