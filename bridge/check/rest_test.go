package check_test

import (
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres/provision"
)

// TestRESTIndexes: where rest.enabled is set, the tables that it reads again and again
// want indexes; whichever serve will do.
func TestRESTIndexes(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, "drop index messages_by_conversation", "drop index if exists conversations_by_workspace")
	found := func(env ...string) string {
		t.Helper()
		var out []string
		for _, f := range check.Run(t.Context(), load(t, append([]string{"DATABASE_URL=" + url}, env...)...)) {
			if f.ID == "table.rest_index" {
				out = append(out, f.Level.String()+" "+strings.TrimPrefix(f.Object, "public.")+" "+f.Fix)
				if f.Level != provision.OK && f.Meaning == "" {
					t.Errorf("without a consequence: %+v", f)
				}
			}
		}
		return strings.Join(out, "\n")
	}
	const on = "BRIDGE_REST_ENABLED=true"
	const messages, conversations = `CREATE INDEX CONCURRENTLY ON "public"."messages" ("conversation_id", "created_at");`, `CREATE INDEX CONCURRENTLY ON "public"."conversations" ("workspace_id");`
	if got := found(); got != "" {
		t.Errorf("turned off: %s", got)
	}
	if got, want := found(on), "warn messages "+messages+"\nwarn conversations "+conversations; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for sql, want := range map[string]string{
		"select": "warn messages " + messages + "\nwarn conversations " + conversations,
		"create index i on messages (created_at); create index j on conversations (id, workspace_id)":                                             "warn messages " + messages + "\nwarn conversations " + conversations,
		"create index i on messages (conversation_id, created_at) where is_outgoing":                                                              "warn messages " + messages + "\nwarn conversations " + conversations,
		"create index i on messages (workspace_id, conversation_id, created_at desc); create index j on conversations (workspace_id, updated_at)": "ok messages \nok conversations ",
		strings.ReplaceAll(messages+conversations, "CONCURRENTLY ", ""):                                                                           "ok messages \nok conversations ",
	} {
		if err := pgtest.Exec(t.Context(), url, sql); err != nil {
			t.Fatal(err)
		}
		if got := found(on); got != want {
			t.Errorf("after %s: got\n%s\nwant\n%s", sql, got, want)
		}
		if err := pgtest.Exec(t.Context(), url, "drop index if exists i, j; drop index if exists messages_conversation_id_created_at_idx, conversations_workspace_id_idx"); err != nil {
			t.Fatal(err)
		}
	}
}
