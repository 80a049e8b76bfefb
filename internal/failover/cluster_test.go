package failover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/auth"
	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/internal/throwaway/redistest"
)

const (
	clusterSecret    = "a-secret-of-the-tests"
	clusterWorkspace = "5a1e0000-0000-4000-8000-00000000000a"
	clusterTimeout   = 90 * time.Second
)

// viewer is a client that counts what it is sent.
type viewer struct {
	mu             sync.Mutex
	connects, gaps int
	seen           map[string]int
}

func view(t *testing.T, b *failover.Bridge) *viewer {
	t.Helper()
	token, err := auth.Sign(clusterSecret, clusterWorkspace, "user", "", "", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{seen: map[string]int{}}
	connected := make(chan struct{}, 100)
	client, err := sioclient.New(sioclient.Options{
		URL: b.URL(), Auth: map[string]any{"token": token},
		Backoff: sioclient.Backoff{Delay: 10 * time.Millisecond, Most: 200 * time.Millisecond},
		OnConnect: func(sioclient.Session) {
			v.mu.Lock()
			v.connects++
			v.mu.Unlock()
			connected <- struct{}{}
		},
		OnEvent: func(e sioclient.Event) {
			var payload map[string]any
			_ = json.Unmarshal(e.Args[0], &payload)
			v.mu.Lock()
			defer v.mu.Unlock()
			switch e.Name {
			case "gap":
				v.gaps++
			case "message":
				v.seen[fmt.Sprint(payload["id"])]++
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = client.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-connected
	return v
}

// has reports whether it was sent all of these messages.
func (v *viewer) has(ids []string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		if v.seen[id] == 0 {
			return false
		}
	}
	return true
}

func (v *viewer) undisturbed(t *testing.T, who string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.connects != 1 || v.gaps != 0 {
		t.Errorf("%s: connected %d times, told of %d gaps", who, v.connects, v.gaps)
	}
	for id, n := range v.seen {
		if n > 1 {
			t.Errorf("%s was sent %s %d times", who, id, n)
		}
	}
}

// TestTheLeaderDies: the leader of three bridges is killed, and the next one put to sleep
// until the third leads. Clients of the others stay connected and get every message once,
// also those of the bridge that slept, which goes on as an edge.
func TestTheLeaderDies(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	dsn := pgtest.DB(t, schemas.CRM)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var conversation string
	if err := conn.QueryRow(t.Context(), `with c as (insert into contacts (workspace_id, name, phone) values ($1, 'Ana', '5511900000000') returning id)
		insert into conversations (workspace_id, contact_id) select $1, id from c returning id`, clusterWorkspace).Scan(&conversation); err != nil {
		t.Fatal(err)
	}
	start := func() *failover.Bridge {
		return failover.NewBridge(t, failover.BridgeOptions{
			Form: chatengine.Real, DatabaseURL: dsn, Secret: clusterSecret,
			Settings: map[string]string{"cluster.redis_url": redis.URL(), "cluster.name": "test", "source.postgres.slot": config.Database},
		})
	}
	leads := func(b *failover.Bridge) bool {
		return len(b.Metrics(`bridge_cluster_role{role="leader"}`)) > 0
	}
	bridges := []*failover.Bridge{start(), start(), start()}
	if !leads(bridges[0]) {
		t.Fatal("the first bridge does not lead")
	}
	var sent []string
	insert := func(n int) {
		t.Helper()
		for range n {
			var id string
			if err := conn.QueryRow(t.Context(), `insert into messages (workspace_id, conversation_id, body, status, is_outgoing, sender_jid)
				values ($1, $2, 'hi', 'delivered', false, '5511999999999@s.whatsapp.net') returning id`, clusterWorkspace, conversation).Scan(&id); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, id)
		}
	}
	atSecond, atThird := view(t, bridges[1]), view(t, bridges[2])
	whole := func(what string, viewers ...*viewer) {
		t.Helper()
		failover.Await(t, clusterTimeout, what, func() bool {
			for _, v := range viewers {
				if !v.has(sent) {
					return false
				}
			}
			return true
		})
	}
	insert(20)
	whole("the messages of the first leader", atSecond, atThird)

	bridges[0].Kill()
	killed := time.Now()
	insert(20)
	whole("the messages after the leader was killed", atSecond, atThird)
	t.Logf("leader killed: the next messages were there after %v", time.Since(killed).Round(time.Millisecond))

	asleep, awake := bridges[1], bridges[2]
	vAsleep, vAwake := atSecond, atThird
	if leads(bridges[2]) {
		asleep, awake, vAsleep, vAwake = bridges[2], bridges[1], atThird, atSecond
	}
	asleep.Freeze()
	slept := time.Now()
	insert(20)
	whole("the messages while the leader sleeps", vAwake)
	t.Logf("leader asleep: the next messages were there after %v", time.Since(slept).Round(time.Millisecond))
	if !leads(awake) {
		t.Error("nobody else leads")
	}
	asleep.Thaw()
	insert(20)
	whole("the messages at the bridge that slept", vAsleep, vAwake)
	failover.Await(t, clusterTimeout, "the bridge that slept to be an edge", func() bool { return !leads(asleep) })
	insert(5)
	whole("the messages at the end", vAsleep, vAwake)
	vAwake.undisturbed(t, "the client of the bridge that stayed awake")
	vAsleep.undisturbed(t, "the client of the bridge that slept")
}
