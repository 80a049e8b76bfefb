package far_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatbridge/bridge/far"
	"chatbridge/bridge/hub"
	"chatbridge/internal/postgrestdouble"
	"chatbridge/internal/realtimedouble"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/lookup"
)

// overPostgREST returns a Reader over a project's REST interface.
func overPostgREST(t *testing.T, o postgrestdouble.Options, sql ...string) (*far.Reader, *postgrestdouble.Server) {
	t.Helper()
	o.Database, o.Secret = pgtest.DB(t, append([]string{realtimedouble.Roles, schemas.CRM, "alter table conversations disable trigger all"}, sql...)...), []byte("secret of the test")
	double := postgrestdouble.New(o)
	t.Cleanup(double.Close)
	server := httptest.NewServer(http.StripPrefix("/rest/v1", double))
	t.Cleanup(server.Close)
	key, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"role": "service_role"}).SignedString(o.Secret)
	if err != nil {
		t.Fatal(err)
	}
	r, err := far.NewPostgREST(server.URL, func() string { return key }, server.Client(), spec(t), far.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return r, double
}

// TestReadOverPostgREST: what is sent is what it is over a direct connection.
func TestReadOverPostgREST(t *testing.T) {
	t.Parallel()
	r, double := overPostgREST(t, postgrestdouble.Options{MaxRows: 2}, rows)
	since := at(2, 1)
	got, rest := read(t, r, &hub.FarAsk{Conversations: since, Of: map[string]time.Time{id("c1"): since, "no such": since, id("c9"): since}})
	conversations := []string{"conversation c1 two Ana", "conversation c2 elsewhere Ana"}
	same(t, "one conversation", got, append([]string{"message b2 one delivered", "message b3 two sent", "messageStatus b1 read", "messageStatus WA1 read"}, conversations...)...)
	if n := len(double.Requests()); n > 40 {
		t.Errorf("%d requests", n)
	}
	got, more := read(t, r, &hub.FarAsk{Conversations: since, Messages: since})
	same(t, "all", got, append([]string{
		"message b2 one delivered", "message b3 two sent", "message b4 elsewhere sent",
		"messageStatus b1 read", "messageStatus WA1 read",
	}, conversations...)...)
	if len(rest)+len(more) > 0 {
		t.Errorf("left out %v %v", rest, more)
	}
	if _, err := r.Conversations(t.Context(), id("f1")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("pages: %v", err)
	}
}

// TestReadTooLarge: rows that are too large together come in several readings; one that
// is too large even alone is told of. It is no failure: nothing pauses.
func TestReadTooLarge(t *testing.T) {
	t.Parallel()
	r, _ := overPostgREST(t, postgrestdouble.Options{}, rows, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c3'), u('f1'), n || repeat('x', case n when 3 then 9000000 else 3000000 end), '2026-03-01'::timestamptz + n * interval '1 minute' from generate_series(1, 6) n`)
	got, rest := read(t, r, &hub.FarAsk{Of: map[string]time.Time{id("c3"): at(2, 1)}})
	for i := range got {
		got[i] = strings.SplitN(got[i], "x", 2)[0]
		got[i] = got[i][strings.LastIndex(got[i], " ")+1:]
	}
	same(t, "messages", got, "1", "2", "4", "5", "6")
	if len(rest) != 1 || rest[0].Conversation != "" || !rest[0].Since.Equal(at(2, 1)) || !rest[0].Until.Equal(at(4, 1)) || r.Stats().Failures != 0 {
		t.Errorf("left out %+v, counted %+v", rest, r.Stats())
	}
}

// TestReadNever: where the project does not tell its columns' types, nothing is read, and
// the reason has the remedy.
func TestReadNever(t *testing.T) {
	t.Parallel()
	r, _ := overPostgREST(t, postgrestdouble.Options{NoOpenAPI: true})
	_ = r.Run(t.Context())
	_, err := r.Read(t.Context(), &hub.FarAsk{Workspace: id("f1"), Conversations: at(1, 1)}, func([]hub.FarPacket) error { return nil })
	if !errors.Is(err, hub.ErrTablesOff) || !errors.Is(err, lookup.ErrNotOverPostgREST) || !strings.Contains(r.Stats().Off, "lookup.url") {
		t.Errorf("read with %v, %+v", err, r.Stats())
	}
}
