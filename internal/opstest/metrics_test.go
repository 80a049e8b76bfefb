package opstest_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

// TestMetricsOfTheProgram scrapes a running bridge before and after one
// message went through it to a client.
func TestMetricsOfTheProgram(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	public, admin := freeAddress(t), freeAddress(t)
	p := start(t, setup{
		args: []string{"serve", "--listen", public, "--admin.listen", admin},
		env:  []string{"DATABASE_URL=" + db, "CHATENGINE_JWT_SECRET=secret"},
	})
	get(t, "http://"+public+"/readyz", 200)

	received, connected := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	c, err := sioclient.New(sioclient.Options{
		URL: "http://" + public, Auth: map[string]any{"token": signed(t, "secret")},
		OnConnect: func(sioclient.Session) { close(connected) },
		OnEvent: func(e sioclient.Event) {
			if e.Name == "message" {
				close(received)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	wait(t, connected, "the client to be in")
	if err := pgtest.Exec(t.Context(), db, `
		with c as (
			insert into contacts (workspace_id, name, phone) values ('`+workspace+`', 'Ana', '+5511999999999') returning id
		), v as (
			insert into conversations (workspace_id, contact_id) select '`+workspace+`', id from c returning id
		)
		insert into messages (workspace_id, conversation_id, body, is_outgoing, status)
			select '`+workspace+`', id, 'the content of a message', false, 'delivered' from v`); err != nil {
		t.Fatal(err)
	}
	wait(t, received, "the message")

	// Written is counted after it was received.
	var text string
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		text = get(t, "http://"+admin+"/metrics", 200)
		if strings.Contains(text, "\nbridge_events_total{event=\"message\"} 1\n") || time.Now().After(deadline) {
			break
		}
	}
	for _, want := range []string{
		`bridge_build_info{commit="0123456789ab",go="`, `version="v1.2.3"} 1`,
		`bridge_ready 1`, `bridge_source_flowing 1`, `bridge_source_state{kind="postgres",state="streaming"} 1`,
		`bridge_events_total{event="message"} 1`, `bridge_clients{transport="websocket"} 1`, `bridge_sockets 1`,
		`bridge_connects_total{result="accepted"} 1`, `bridge_tokens_accepted_total{kind="chatengine"} 1`,
		`bridge_postgres_slot_wal_status{status="reserved"} 1`, `bridge_config_reload_ok 1`, `bridge_log_lines_total{level="info"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, never := range []string{workspace, "user-1", "content of a message", "+5511999999999"} {
		if strings.Contains(text, never) || strings.Contains(p.log(), never) {
			t.Errorf("%q is in /metrics or in the log", never)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	promtool := tool(t, "promtool", "prometheus")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func wait(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(waitLimit):
		t.Fatal("waited in vain for " + what)
	}
}
