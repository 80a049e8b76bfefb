package api_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/socketio"
)

// sessions is named, with session tokens where the user is not "machine".
type sessions struct{ named }

func (n sessions) Authenticate(ctx context.Context, c auth.Credentials) (auth.Principal, error) {
	p, err := n.named.Authenticate(ctx, c)
	if p.Kind = auth.Supabase; p.User == "machine" {
		p.Kind = auth.ChatEngine
	}
	return p, err
}

// memberTable knows who has left.
type memberTable struct {
	mu      sync.Mutex
	left    []auth.Membership
	later   []auth.Membership // seen to have left from the second answer on
	fail    bool
	asked   [][]auth.Membership
	dropped [][]auth.Membership
}

func (m *memberTable) DropMembers(of []auth.Membership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = append(m.dropped, of)
}

func (m *memberTable) FormerMembers(_ context.Context, of []auth.Membership) (former []auth.Membership, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, of)
	if m.fail {
		return nil, errors.New("the database is away")
	}
	for _, one := range of {
		if slices.Contains(m.left, one) {
			former = append(former, one)
		}
	}
	m.left, m.later = append(m.left, m.later...), nil
	return former, nil
}

func (m *memberTable) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// checks is how often it was asked.
func (m *memberTable) checks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

func startMembers(t *testing.T, followed *atomic.Bool, interval time.Duration) (*memberTable, *api.Server, string) {
	t.Helper()
	table := &memberTable{}
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler),
		Members: table, MembersFollowed: followed.Load, MembersInterval: interval,
	}
	opts.SocketIO.Path = "/api/ws"
	server, url := serve(t, opts, sessions{})
	return table, server, "ws" + strings.TrimPrefix(url, "http")
}

// alive tells that a connection is served.
func (p *person) alive() {
	p.t.Helper()
	p.say(`421["ping"]`)
	p.until("431")
}

func awaitChecks(t *testing.T, table *memberTable, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); table.checks() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d checks, want %d", table.checks(), n)
		}
	}
}

// TestWhoLeavesIsClosed: at once and without asking where it is told who, and
// nobody else: not the user in another workspace, not whose token names its
// workspace itself.
func TestWhoLeavesIsClosed(t *testing.T) {
	t.Parallel()
	followed := new(atomic.Bool)
	followed.Store(true)
	table, server, url := startMembers(t, followed, time.Hour)
	table.set(func() { table.fail = true }) // nothing can be asked
	ana, twin := join(t, url, "w1/ana/1h", ""), join(t, url, "w1/Ana/1h", "")
	others := []*person{join(t, url, "w1/bob/1h", ""), join(t, url, "w2/ana/1h", ""), join(t, url, "w1/machine/1h", "")}
	server.MemberLeft("ANA", "w1") // as the database writes it
	server.MemberLeft("machine", "w1")
	ana.ended()
	twin.ended()
	for _, p := range others {
		p.alive()
	}
	if n := server.Stats().MembersLeft; n != 2 {
		t.Errorf("%d clients counted", n)
	}
	table.set(func() {
		if len(table.dropped) == 0 || !slices.Contains(table.dropped[0], auth.Membership{User: "ANA", Workspace: "w1"}) {
			t.Errorf("dropped %v", table.dropped)
		}
	})
}

// TestWhoHasLeftIsFound: where a change does not tell who, all that were admitted by
// a membership are checked, until there is an answer, and once more after that, for
// whom the first check came too early.
func TestWhoHasLeftIsFound(t *testing.T) {
	t.Parallel()
	followed := new(atomic.Bool)
	followed.Store(true)
	table, server, url := startMembers(t, followed, time.Hour)
	table.set(func() {
		table.left, table.later = []auth.Membership{{User: "ana", Workspace: "w1"}}, []auth.Membership{{User: "bob", Workspace: "w1"}}
		table.fail = true
	})
	ana, bob, machine := join(t, url, "w1/ana/1h", ""), join(t, url, "w1/bob/1h", ""), join(t, url, "w1/machine/1h", "")
	join(t, url, "w1/bob/1h", "").alive()
	server.MembersChanged()
	awaitChecks(t, table, 1)
	ana.alive() // no answer is not a no
	table.set(func() { table.fail = false })
	ana.ended()
	machine.alive()
	table.set(func() {
		if want := []auth.Membership{{User: "ana", Workspace: "w1"}, {User: "bob", Workspace: "w1"}}; len(table.asked[0]) != 2 || !slices.Contains(want, table.asked[0][0]) || !slices.Contains(want, table.asked[0][1]) {
			t.Errorf("asked about %v", table.asked[0])
		}
		if len(table.dropped) != 1 || table.dropped[0] != nil {
			t.Errorf("dropped %v, want all", table.dropped)
		}
	})
	bob.ended()
	machine.alive()
}

// TestMembersAreCheckedWhileChangesAreNotFollowed: every interval, and once more when
// they are followed again.
func TestMembersAreCheckedWhileChangesAreNotFollowed(t *testing.T) {
	t.Parallel()
	followed := new(atomic.Bool)
	table, _, url := startMembers(t, followed, time.Second)
	ana, bob := join(t, url, "w1/ana/1h", ""), join(t, url, "w1/bob/1h", "")
	table.set(func() { table.left = []auth.Membership{{User: "ana", Workspace: "w1"}} })
	ana.ended()
	bob.alive()
	awaitChecks(t, table, table.checks()+1)
	followed.Store(true)
	before := table.checks()
	awaitChecks(t, table, before+1)
	time.Sleep(2500 * time.Millisecond) // for checks that must not come
	if n := table.checks(); n > before+2 {
		t.Errorf("%d checks after changes were followed", n-before)
	}
	bob.alive()
}

// TestManyLeaveAtOnce: past a bound all are checked instead.
func TestManyLeaveAtOnce(t *testing.T) {
	t.Parallel()
	followed := new(atomic.Bool)
	followed.Store(true)
	table, server, url := startMembers(t, followed, time.Hour)
	ana, bob := join(t, url, "w1/ana/1h", ""), join(t, url, "w1/bob/1h", "")
	table.set(func() { table.left = []auth.Membership{{User: "ana", Workspace: "w1"}} })
	for range 5000 {
		server.MemberLeft("somebody", "w9")
	}
	server.MemberLeft("ana", "w1")
	ana.ended()
	bob.alive()
}
