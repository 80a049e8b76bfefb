package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/internal/sioclient"
)

// view is what one client of the CRM sees through the load balancer, compared with what
// the database has.
type view struct {
	pool *pgxpool.Pool
	note func(string)

	mu                           sync.Mutex
	seen                         map[string]bool // messages, by their ids
	events, repeated, gaps, back int
	connected                    bool
	since                        time.Time // of connected
	longest                      time.Duration
}

// lateAfter is when a message that the client has not is called missing: longer than a
// change of the leader takes.
const lateAfter = 15 * time.Second

// run is the client's life. It returns nil when ctx has ended.
func (v *view) run(ctx context.Context, url, token string) error {
	v.seen, v.since = map[string]bool{}, time.Now()
	client, err := sioclient.New(sioclient.Options{
		URL: url, Auth: map[string]any{"token": token}, Backoff: sioclient.DefaultBackoff(),
		OnConnect:    v.onConnect,
		OnDisconnect: v.onDisconnect,
		OnEvent:      v.onEvent,
	})
	if err != nil {
		return err
	}
	err = client.Run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the client has ended: %w", err)
}

func (v *view) onConnect(s sioclient.Session) {
	v.mu.Lock()
	away, again := time.Since(v.since), v.back > 0
	v.connected, v.since = true, time.Now()
	v.back++
	if again {
		v.longest = max(v.longest, away)
	}
	v.mu.Unlock()
	if again {
		how := "begins a new session, and is given what it missed"
		if s.Recovered {
			how = "goes on with its session"
		}
		v.note(fmt.Sprintf("the client is back after %.1f s; it %s", away.Seconds(), how))
	}
}

func (v *view) onDisconnect(error, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.connected {
		v.connected, v.since = false, time.Now()
	}
}

func (v *view) onEvent(e sioclient.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Name == "gap" {
		v.gaps++
		return
	}
	v.events++
	if e.Name != "message" || len(e.Args) == 0 {
		return
	}
	var m struct{ ID string }
	if json.Unmarshal(e.Args[0], &m) != nil {
		return
	}
	if v.seen[m.ID] {
		v.repeated++
	}
	v.seen[m.ID] = true
}

// counts is how the client's view differs from the database.
type counts struct {
	written, missing, waiting          int
	events, repeated, gaps, reconnects int
	longest                            time.Duration
}

// compare reads the messages of the client's workspace, and counts those that it has
// not seen: as missing from lateAfter on, or all with atEnd.
func (v *view) compare(ctx context.Context, workspace string, atEnd bool) (counts, error) {
	rows, err := v.pool.Query(ctx, `select id::text, extract(epoch from clock_timestamp() - created_at)::float8 from messages where workspace_id = $1`, workspace)
	if err != nil {
		return counts{}, err
	}
	defer rows.Close()
	v.mu.Lock()
	defer v.mu.Unlock()
	c := counts{events: v.events, repeated: v.repeated, gaps: v.gaps, reconnects: max(v.back, 1) - 1, longest: v.longest}
	for rows.Next() {
		var id string
		var age float64
		if err := rows.Scan(&id, &age); err != nil {
			return c, err
		}
		c.written++
		switch {
		case v.seen[id]:
		case atEnd, age > lateAfter.Seconds():
			c.missing++
		default:
			c.waiting++
		}
	}
	return c, rows.Err()
}
