package realtime_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/realtimedouble"
	"chatbridge/source/realtime"
)

// TestChaos mixes failures at random while traffic goes on without a pause;
// at the end nothing is lost. CHAOS=1h makes it go on for that long; CHAOS_SEED
// repeats a run.
func TestChaos(t *testing.T) {
	t.Parallel()
	span := 4 * time.Second
	if s := os.Getenv("CHAOS"); s != "" {
		var err error
		if span, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	if s := os.Getenv("CHAOS_SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CHAOS_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, seed))
	s := setup{
		double: realtimedouble.Options{MaxRecord: 3000, ColdStart: 100 * time.Millisecond},
		change: func(o *realtime.Options) {
			o.QueueChanges = 50
			o.Timing.Join, o.Timing.Subscribe, o.Timing.HeartbeatTimeout = time.Second, 2*time.Second, 2*time.Second
		},
	}
	p := start(t, s)
	p.settled()

	down := false
	actions := []func(){
		func() { p.rt.DropTCP() },
		func() { p.rt.CloseAll(1000) },
		func() { p.rt.CloseAll(1012) },
		func() { p.rt.Swallow(1 + rnd.IntN(5)) },
		func() { p.rt.Silence(rnd.IntN(2) == 0) },
		func() { p.rt.EndChannels("phx_close") },
		func() { p.rt.EndChannels("phx_error") },
		func() { p.rt.ForgetChannels() },
		func() { p.rt.Resubscribe(nil) },
		func() { p.rt.Inject("garbage") },
		func() { p.rt.Refuse([]int{0, 403, 429, 503}[rnd.IntN(4)], "") },
		func() { p.rest.Fail([]int{0, 0, 429, 503}[rnd.IntN(4)], "") },
		func() {
			kinds := []realtimedouble.JoinScript{
				{},
				{},
				{Delay: 200 * time.Millisecond},
				{Never: true},
				{SystemNever: true},
				{Error: "UnableToConnectToProject: Realtime was unable to connect to the project database"},
				{SystemErrors: []string{`{:error, "Too many database timeouts"}`}, SystemDelay: 50 * time.Millisecond},
			}
			k := kinds[rnd.IntN(len(kinds))]
			p.rt.OnJoin(func(string) realtimedouble.JoinScript { return k })
		},
		func() {
			p.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database() and active_pid is not null")
		},
		func() {
			if down {
				p.again()
			} else {
				p.rt.Kill()
			}
			down = !down
		},
	}

	heal := func() {
		if down {
			p.again()
		}
		down = false
		p.rt.Silence(false)
		p.rt.Swallow(0)
		p.rt.Refuse(0, "")
		p.rt.OnJoin(nil)
		p.rest.Fail(0, "")
	}

	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() { stopped <- writeUntil(p, stop, rand.New(rand.NewPCG(seed, 1))) }()
	for end := time.Now().Add(span); time.Now().Before(end); {
		actions[rnd.IntN(len(actions))]()
		time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		if rnd.IntN(2) == 0 {
			heal()
			time.Sleep(time.Duration(rnd.IntN(600)) * time.Millisecond)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	heal()
	p.awaitTruth("messages", "status")
	p.awaitTruth("messages", "body")
	p.awaitTruth("conversations", "unread_count")
	p.settled()
	p.rec.check(t)
	st := p.src.Stats()
	t.Logf("%d streamed, %d reconciled, gaps %v, disconnects %v, dropped %v", st.Streamed, st.Reconciled, st.Gaps, st.Disconnects, st.Dropped)
}

// writeUntil writes messages, some too large for Realtime, and statuses, on a
// connection of its own.
func writeUntil(p *project, stop chan struct{}, rnd *rand.Rand) error {
	db, err := pgx.Connect(p.t.Context(), p.dsn)
	if err != nil {
		return err
	}
	defer db.Close(p.t.Context())
	var ids []string
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		size := 10
		if rnd.IntN(10) == 0 {
			size = 4000
		}
		var id string
		err := db.QueryRow(p.t.Context(), `insert into messages (conversation_id, workspace_id, body, status)
			values ($1, $2, $3 || repeat('.', $4), 'sending') returning id::text`, conversation, workspace, fmt.Sprint("m", n), size).Scan(&id)
		if err != nil {
			return err
		}
		ids = append(ids, id)
		for _, status := range []string{"sent", "delivered", "read"} {
			if rnd.IntN(2) == 0 {
				if _, err := db.Exec(p.t.Context(), "update messages set status = $2 where id = $1", ids[rnd.IntN(len(ids))], status); err != nil {
					return err
				}
			}
		}
		if _, err := db.Exec(p.t.Context(), "update conversations set unread_count = $1, last_message_at = now() where id = $2", n, conversation); err != nil {
			return err
		}
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
	}
}
