package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/internal/schemas"
)

// Who is still a member is asked in batches, whatever the columns' types, and
// whatever the ids have in them.
func TestSQLExistingMembers(t *testing.T) {
	t.Parallel()
	db := pool(t, schemas.CRM,
		`insert into workspace_members (user_id, workspace_id, role) values ('`+alice+`', '`+acme+`', 'agent'), ('`+alice+`', '`+acme+`', 'admin'), ('`+other+`', '`+acme+`', 'agent')`,
		`create table texts (u text, w text)`,
		`insert into texts values ('a"b\c,{d}', 'w 1'), ('null', '')`,
		`create table numbers (u bigint, w int)`,
		`insert into numbers values (12345678901234567, 5)`)
	for name, tt := range map[string]struct {
		table auth.MembersTable
		of    []auth.Membership
		want  []auth.Membership
	}{
		"uuid":                  {standard, []auth.Membership{{alice, acme}, {alice, other}}, []auth.Membership{{alice, acme}}},
		"uuid, more than one":   {standard, []auth.Membership{{alice, acme}, {other, acme}}, []auth.Membership{{alice, acme}, {other, acme}}},
		"as the database has":   {standard, []auth.Membership{{strings.ToUpper(alice), acme}}, []auth.Membership{{alice, acme}}},
		"one is no uuid":        {standard, []auth.Membership{{alice, acme}, {"x", acme}}, nil},
		"texts to be escaped":   {auth.MembersTable{Table: "texts", UserColumn: "u", WorkspaceColumn: "w"}, []auth.Membership{{`a"b\c,{d}`, "w 1"}, {"null", "w 1"}}, []auth.Membership{{`a"b\c,{d}`, "w 1"}}},
		"numbers":               {auth.MembersTable{Table: "numbers", UserColumn: "u", WorkspaceColumn: "w"}, []auth.Membership{{"12345678901234567", "5"}, {"7", "5"}}, []auth.Membership{{"12345678901234567", "5"}}},
		"a number out of range": {auth.MembersTable{Table: "numbers", UserColumn: "u", WorkspaceColumn: "w"}, []auth.Membership{{"12345678901234567890", "5"}}, nil},
	} {
		got, err := auth.NewSQLMembers(db, tt.table).Existing(t.Context(), tt.of)
		slices.SortFunc(got, func(a, b auth.Membership) int { return strings.Compare(a.User, b.User) })
		slices.SortFunc(tt.want, func(a, b auth.Membership) int { return strings.Compare(a.User, b.User) })
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
	db.Close()
	if _, err := auth.NewSQLMembers(db, standard).Existing(t.Context(), []auth.Membership{{alice, acme}}); err == nil {
		t.Error("a closed pool is no error")
	}
}

func TestRESTExistingMembers(t *testing.T) {
	t.Parallel()
	var got *http.Request
	body, status := "", http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	m := auth.NewRESTMembers(server.Client(), server.URL, func() string { return "key" }, standard)
	body = `[{"user_id":"` + alice + `","workspace_id":"` + acme + `"},{"user_id":7,"workspace_id":"w"}]`
	existing, err := m.Existing(t.Context(), []auth.Membership{{alice, acme}, {`a"b\`, acme}})
	if err != nil || !slices.Equal(existing, []auth.Membership{{alice, acme}, {"7", "w"}}) {
		t.Errorf("%q, %v", existing, err)
	}
	if q := got.URL.Query(); q.Get("user_id") != `in.("`+alice+`","a\"b\\")` || q.Get("workspace_id") != `in.("`+acme+`")` || q.Get("select") != "user_id,workspace_id" {
		t.Errorf("asked %s", got.URL)
	}
	for _, bad := range []string{`[{"user_id":null,"workspace_id":"w"}]`, `[{"user_id":"u"}]`, `{}`} {
		body = bad
		if _, err := m.Existing(t.Context(), []auth.Membership{{alice, acme}}); err == nil {
			t.Errorf("%s is an answer", bad)
		}
	}
	if status = http.StatusForbidden; true {
		if _, err := m.Existing(t.Context(), []auth.Membership{{alice, acme}}); err == nil {
			t.Error("403 is an answer")
		}
	}
}

// Who has left is told among many, at little cost, and no cached answer is left.
func TestFormerMembers(t *testing.T) {
	t.Parallel()
	m, clock := &members{}, newClock()
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m, MembersTTL: time.Hour, Now: clock.now})
	token := hs256(t, projectSecret, sessionClaims())
	if _, err := authenticate(t, a, token, acme); err != nil {
		t.Fatal(err)
	}
	of := []auth.Membership{{alice, acme}}
	for i := range 120 {
		of = append(of, auth.Membership{User: fmt.Sprint("u", i), Workspace: acme})
	}
	former, err := a.FormerMembers(t.Context(), of)
	if err != nil || len(former) != 120 || slices.Contains(former, of[0]) {
		t.Fatalf("%d former members, %v", len(former), err)
	}
	if n := m.batches.Load(); n != 3 {
		t.Errorf("%d batches", n)
	}
	// She leaves: the cached yes of an hour goes.
	m.gone.Store(true)
	if former, err := a.FormerMembers(t.Context(), of[:1]); err != nil || !slices.Equal(former, of[:1]) {
		t.Fatalf("%q, %v", former, err)
	}
	if _, err := authenticate(t, a, token, acme); code(t, err) != auth.CodeNotMember {
		t.Errorf("after she has left: %v", err)
	}
	// She comes back: the cached no goes, by any way of writing her.
	m.gone.Store(false)
	a.DropMembers([]auth.Membership{{strings.ToUpper(alice), acme}})
	if _, err := authenticate(t, a, token, acme); err != nil {
		t.Errorf("after she came back: %v", err)
	}
	// No answer is neither.
	m.fail.Store(true)
	if former, err := a.FormerMembers(t.Context(), of); err == nil || len(former) > 0 {
		t.Errorf("%q without an answer", former)
	}
	if s := a.Stats().Members; s.ChecksFailed != 1 {
		t.Errorf("stats %+v", s)
	}
}

// An answer to a question from before a change is not cached.
func TestAnswerFromBeforeAChange(t *testing.T) {
	t.Parallel()
	m := &members{gate: make(chan struct{})}
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m, MembersTTL: time.Hour})
	token := hs256(t, projectSecret, sessionClaims())
	answered := make(chan error)
	go func() {
		_, err := authenticate(t, a, token, acme)
		answered <- err
	}()
	for m.asked.Load() == 0 {
		time.Sleep(time.Millisecond) // polls the other goroutine
	}
	a.DropMembers(nil)
	close(m.gate)
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if s := a.Stats().Members; s.Entries != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Whoever asks about workspaces of others is soon answered no more, and nobody
// else notices: not the user's other address, not another user of the address, not
// those whose questions are answered yes.
func TestQuestionsAreLimited(t *testing.T) {
	t.Parallel()
	m, clock := &members{}, newClock()
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m, Now: clock.now})
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	asked := 0
	ask := func(user, workspace string, from netip.Addr) string {
		asked++
		_, err := a.Authenticate(t.Context(), auth.Credentials{Token: hs256(t, projectSecret, sessionClaims().with(c{"sub": user})), Workspace: workspace, Address: from})
		return code(t, err)
	}
	refusals := func(user string, from netip.Addr, most int) (n int) {
		for ; n < most && ask(user, fmt.Sprint("w", asked), from) == auth.CodeNotMember; n++ {
		}
		return n
	}
	if n := refusals("mallory", here, 1000); n != 20 {
		t.Errorf("a user was answered no %d times at once", n)
	}
	for range 500 {
		if got := ask(alice, acme, here); got != "" {
			t.Fatalf("a member at the same address: %s", got)
		}
	}
	if got := ask("mallory", "w", there); got != "unavailable" {
		t.Errorf("the same user from another address: %q", got)
	}
	clock.forward(3 * time.Second)
	if n := refusals("mallory", here, 1000); n != 1 {
		t.Errorf("after three seconds %d more", n)
	}
	// Many accounts at one address. All budgets are full again.
	clock.forward(10 * time.Minute)
	for i := range 200 {
		refusals(fmt.Sprint("mallory", i), there, 1)
	}
	for i := range 200 {
		if n := refusals(fmt.Sprint("mallory", i), there, 1); n != 0 {
			t.Fatalf("an address was answered no %d times at once", 200+i)
		}
	}
	// Somebody else behind the same proxy.
	if got := ask(alice, acme, there); got != "" {
		t.Errorf("a member at that address: %q", got)
	}
	if got := ask("somebody", "w", here); got != auth.CodeNotMember {
		t.Errorf("another address: %q", got)
	}
	// Of IPv6, a host has its whole /64.
	for i := range 200 {
		refusals(fmt.Sprint("v6-", i), netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i)), 1)
	}
	if n := refusals("v6-0", netip.MustParseAddr("2001:db8::ffff:1"), 1); n != 0 {
		t.Error("a /64 was answered no more than 200 times at once")
	}
	if got := ask("neighbour", "w", netip.MustParseAddr("2001:db8:0:1::1")); got != auth.CodeNotMember {
		t.Errorf("another /64: %q", got)
	}
	if s := a.Stats().Members; s.Limited != uint64(asked)-s.Asked || s.Limited < 200 {
		t.Errorf("stats %+v of %d", s, asked)
	}
}

// One user has two questions under way, an address sixteen; the others wait for
// them.
func TestQuestionsAtOnceAreLimited(t *testing.T) {
	t.Parallel()
	m := &members{gate: make(chan struct{})}
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: m})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	ask := func(user, workspace string) {
		go func() {
			defer func() { ended <- struct{}{} }()
			_, _ = a.Authenticate(ctx, auth.Credentials{Token: hs256(t, projectSecret, sessionClaims().with(c{"sub": user})), Workspace: workspace, Address: netip.MustParseAddr("192.0.2.1")})
		}()
	}
	const each = 10
	for i := range each {
		ask("mallory", fmt.Sprint("w", i))
	}
	await := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); m.asked.Load() < n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d questions are under way, want %d", m.asked.Load(), n)
			}
		}
		time.Sleep(20 * time.Millisecond) // for what must not come
		if got := m.asked.Load(); got != n {
			t.Errorf("%d questions are under way, want %d", got, n)
		}
	}
	await(2)
	for i := range 2 * each {
		ask(fmt.Sprint("u", i), "w")
	}
	await(16)
	close(m.gate)
	for range 3 * each {
		<-ended
	}
}
