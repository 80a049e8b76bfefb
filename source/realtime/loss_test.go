package realtime_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/internal/realtimedouble"
	"chatbridge/source/realtime"
)

// failure is one way in which Realtime or what is around it fails.
type failure struct {
	setup setup
	// during is called with traffic, which writes a round of changes: a new
	// message, statuses of new and old messages, the conversation.
	during func(p *project, traffic func())
	// proves is what must have been counted for the failure to have happened.
	proves func(s realtime.Stats) bool
}

// noJoinTrouble is a good script for a join.
var noJoinTrouble = realtimedouble.JoinScript{}

var failures = map[string]failure{
	"tcp reset": {
		during: func(p *project, traffic func()) { p.rt.DropTCP(); traffic() },
		proves: func(s realtime.Stats) bool { return s.Disconnects["reset"]+s.Disconnects["write"] > 0 },
	},
	"close 1000, idle": {
		during: func(p *project, traffic func()) { p.rt.CloseIdle(); traffic() },
		proves: func(s realtime.Stats) bool { return s.Disconnects["closed_1000"] > 0 },
	},
	"close 1001, rate of joins": {
		during: func(p *project, traffic func()) { p.rt.CloseAll(1001); traffic() },
		proves: func(s realtime.Stats) bool { return s.Disconnects["closed_1001"] > 0 },
	},
	"close 1012, deploy": {
		during: func(p *project, traffic func()) {
			p.rt.Terminate()
			traffic()
			p.again()
		},
		proves: func(s realtime.Stats) bool { return s.Disconnects["closed_1012"] > 0 },
	},
	"server killed and down for a while": {
		during: func(p *project, traffic func()) {
			p.rt.Kill()
			traffic()
			p.awaitState(realtime.StateConnecting)
			traffic()
			p.again()
		},
		proves: func(s realtime.Stats) bool { return s.Disconnects["dial"] >= 1 || s.Disconnects["reset"] >= 1 },
	},
	"half-open connection": {
		setup: setup{change: func(o *realtime.Options) {
			o.Timing.HeartbeatTimeout, o.ReconcileInterval = 500*time.Millisecond, 5*time.Second
		}},
		during: func(p *project, traffic func()) {
			p.rt.Mute(true)
			traffic()
			// By the heartbeat, or, where the reader back was first to miss
			// the changes and had the channel joined anew, by that join.
			p.await("the silence to be noticed", func() bool {
				ends := p.src.Stats().Disconnects
				return ends["half_open"]+ends["join_timeout"] > 0
			})
			p.rt.Mute(false)
		},
	},
	"replication dead behind a live socket": {
		during: func(p *project, traffic func()) {
			p.rt.Drain()
			p.rt.Silence(true)
			p.await("the deaf channel to be noticed", func() bool {
				traffic()
				return p.src.Stats().Channels[0].Deaf > 0
			})
			p.rt.Silence(false)
		},
		proves: func(s realtime.Stats) bool { return s.Gaps["missed"] > 0 && s.Gaps["deaf"] > 0 },
	},
	"replication dead until a new connection": {
		during: func(p *project, traffic func()) {
			p.rt.Silence(true)
			p.await("two verdicts", func() bool {
				traffic()
				return p.src.Stats().Disconnects["deaf"] > 0
			})
			p.rt.Silence(false)
		},
	},
	"a status lost, a later update that does not change it delivered": {
		during: func(p *project, traffic func()) {
			id := p.message("touched twice", "sent")
			p.awaitRow("public.messages", id, "status", "sent")
			p.rt.Drain()
			p.rt.Swallow(2)
			p.status(id, "read")
			p.sql("update conversations set last_message_at = clock_timestamp(), unread_count = 77 where id = $1", conversation)
			p.status(id, "read")
			p.sql("update conversations set is_typing = false where id = $1", conversation)
			p.awaitTruth("conversations", "unread_count")
			p.awaitTruth("messages", "status")
			traffic()
		},
		proves: func(s realtime.Stats) bool { return s.Gaps["lost_update"] > 0 },
	},
	"inserts lost, updates delivered": {
		during: func(p *project, traffic func()) {
			p.rt.Drain()
			p.rt.Swallow(1)
			traffic()
		},
		proves: func(s realtime.Stats) bool { return s.Gaps["lost_insert"] > 0 },
	},
	"single changes lost": {
		during: func(p *project, traffic func()) {
			p.rt.Drain()
			p.rt.Swallow(3)
			traffic()
			traffic()
		},
		proves: func(s realtime.Stats) bool { return s.Reconciled > 0 },
	},
	"rate limit: a burst arrives, then everything is dropped for a while": {
		during: func(p *project, traffic func()) {
			for range 5 {
				traffic()
			}
			p.rt.Drain()
			p.rt.Silence(true)
			for range 5 {
				traffic()
			}
			p.rt.Drain()
			p.rt.Silence(false)
			traffic()
		},
	},
	"cold start": {
		setup: setup{double: realtimedouble.Options{ColdStart: 300 * time.Millisecond}},
		during: func(p *project, traffic func()) {
			p.rt.Kill()
			p.again()
			// The slot is gone: the next subscriber waits for a new one.
			traffic()
			p.await("a new connection", func() bool { return p.src.Stats().Connects > 1 })
			traffic()
		},
	},
	"channels closed": {
		during: func(p *project, traffic func()) { p.rt.EndChannels("phx_close"); traffic() },
		proves: func(s realtime.Stats) bool { return s.Connects == 1 && s.Channels[0].Joins >= 2 },
	},
	"channels crashed": {
		during: func(p *project, traffic func()) { p.rt.EndChannels("phx_error"); traffic() },
		proves: func(s realtime.Stats) bool { return s.Connects == 1 && s.Channels[0].Joins >= 2 },
	},
	"channels forgotten without a word": {
		during: func(p *project, traffic func()) {
			p.rt.ForgetChannels()
			p.await("the deaf channel to be noticed", func() bool {
				traffic()
				return p.src.Stats().Channels[0].Joins > 1
			})
		},
	},
	"subscriptions dropped and made again": {
		during: func(p *project, traffic func()) { p.rt.Resubscribe(traffic) },
		// On a busy machine the rows may be read back, and the channel joined again, first.
		proves: func(s realtime.Stats) bool { return s.Gaps["resubscribed"]+s.Gaps["deaf"] > 0 },
	},
	"handshakes refused with 503": {
		during: func(p *project, traffic func()) {
			p.rt.Refuse(http.StatusServiceUnavailable, "")
			p.rt.DropTCP()
			traffic()
			p.await("refusals", func() bool { return p.rt.Refused() > 2 })
			p.rt.Refuse(0, "")
		},
		proves: func(s realtime.Stats) bool { return s.Disconnects["refused_503"] > 2 },
	},
	"handshakes refused with an empty 403": {
		during: func(p *project, traffic func()) {
			p.rt.Refuse(http.StatusForbidden, "")
			p.rt.DropTCP()
			traffic()
			p.await("a refusal", func() bool { return p.rt.Refused() > 0 })
			p.await("a remedy", func() bool { return strings.Contains(p.src.Stats().Error, "source.realtime.key") })
			p.rt.Refuse(0, "")
		},
	},
	"joins refused for a while": {
		during: func(p *project, traffic func()) {
			var n atomic.Int32
			p.rt.OnJoin(func(string) realtimedouble.JoinScript {
				if n.Add(1) > 6 {
					return noJoinTrouble
				}
				return realtimedouble.JoinScript{Error: "RealtimeRestarting: Realtime is restarting, please standby"}
			})
			p.rt.EndChannels("phx_close")
			traffic()
			p.await("refused joins", func() bool { return n.Load() > 6 })
		},
		proves: func(s realtime.Stats) bool { return s.Disconnects["join_failed"] > 0 },
	},
	"joins never answered": {
		setup: setup{change: func(o *realtime.Options) { o.Timing.Join = 300 * time.Millisecond }},
		during: func(p *project, traffic func()) {
			p.rt.OnJoin(func(string) realtimedouble.JoinScript { return realtimedouble.JoinScript{Never: true} })
			p.rt.EndChannels("phx_error")
			traffic()
			p.await("a join to time out", func() bool { return p.src.Stats().Disconnects["join_timeout"] > 0 })
			p.rt.OnJoin(nil)
		},
	},
	"joins answered late, blocking the socket": {
		setup: setup{change: func(o *realtime.Options) { o.Timing.HeartbeatTimeout = 1500 * time.Millisecond }},
		during: func(p *project, traffic func()) {
			p.rt.OnJoin(func(string) realtimedouble.JoinScript {
				return realtimedouble.JoinScript{Delay: 2 * time.Second}
			})
			p.rt.EndChannels("phx_error")
			traffic()
		},
		// A blocked heartbeat is no reason to give the connection up.
		proves: func(s realtime.Stats) bool { return s.Disconnects["half_open"] == 0 },
	},
	"subscription never confirmed": {
		setup: setup{change: func(o *realtime.Options) { o.Timing.Subscribe = 500 * time.Millisecond }},
		during: func(p *project, traffic func()) {
			p.rt.OnJoin(func(string) realtimedouble.JoinScript { return realtimedouble.JoinScript{SystemNever: true} })
			p.rt.EndChannels("phx_error")
			traffic()
			p.await("the timeout to end", func() bool { return p.src.Stats().Disconnects["subscribe_timeout"] > 0 })
			p.rt.OnJoin(nil)
		},
	},
	"subscription fails and is tried again by the server": {
		during: func(p *project, traffic func()) {
			p.rt.OnJoin(func(string) realtimedouble.JoinScript {
				return realtimedouble.JoinScript{
					SystemErrors: []string{`{:error, "Too many database timeouts"}`, `{:error, :rpc_error, :timeout}`},
					SystemDelay:  50 * time.Millisecond,
				}
			})
			p.rt.EndChannels("phx_error")
			traffic()
			p.await("the error to show", func() bool { return p.log.contains("Too many database timeouts") })
		},
		proves: func(s realtime.Stats) bool { return s.Connects == 1 && s.Channels[0].Joins >= 2 },
	},
	"slot's backend killed": {
		during: func(p *project, traffic func()) {
			p.sql("select pg_terminate_backend(active_pid) from pg_replication_slots where database = current_database() and active_pid is not null")
			traffic()
			p.rt.Drain()
		},
		proves: func(s realtime.Stats) bool { return s.Connects == 1 },
	},
	"table left the publication and came back": {
		during: func(p *project, traffic func()) {
			p.sql("alter publication supabase_realtime drop table messages")
			traffic()
			p.rt.Drain()
			p.sql("alter publication supabase_realtime add table messages")
		},
	},
	"frames that cannot be read": {
		during: func(p *project, traffic func()) {
			p.rt.Inject(`garbage`)
			p.rt.Inject(`[null,null,"realtime:x","postgres_changes",{"data":7}]`)
			p.rt.Inject(`[1,2,3]`)
			p.rt.Inject(`[null,null,"realtime:chatbridge-public-messages","postgres_changes",{"data":{"table":"messages","schema":"public","type":"INSERT","record":{},"columns":[],"errors":["Error 401: Unauthorized"],"commit_timestamp":null},"ids":[1]}]`)
			traffic()
		},
		proves: func(s realtime.Stats) bool {
			return s.Connects == 1 && s.Dropped["bad_payload"] == 3 && s.Dropped["row_error"] == 1
		},
	},
	"PostgREST down while changes are lost": {
		during: func(p *project, traffic func()) {
			p.rest.Fail(http.StatusServiceUnavailable, `{"code":"PGRST002","message":"Could not query the database for the schema cache. Retrying."}`)
			p.rt.Silence(true)
			traffic()
			p.rt.Drain()
			p.rt.Silence(false)
			p.await("failures", func() bool { return p.src.Stats().Reconcile.Failures > 1 })
			p.rest.Fail(0, "")
		},
	},
	"everything down, then everything back": {
		during: func(p *project, traffic func()) {
			p.rest.Fail(http.StatusBadGateway, "<html>")
			p.rt.Kill()
			traffic()
			p.await("failures", func() bool { return p.src.Stats().Reconcile.Failures > 1 })
			traffic()
			p.rest.Fail(0, "")
			p.again()
		},
	},
	"server asks to be left": {
		during: func(p *project, traffic func()) {
			p.rt.System("Server requested disconnect", "ok", "system")
			p.rt.CloseAll(1012)
			traffic()
		},
	},
	"reading with SQL": {
		setup: setup{change: func(o *realtime.Options) { o.DatabaseURL = "?" }},
		during: func(p *project, traffic func()) {
			p.rt.Swallow(3)
			traffic()
			p.rt.DropTCP()
			traffic()
		},
		proves: func(s realtime.Stats) bool { return s.Reconciled > 0 },
	},
}

func (p *project) again() {
	p.t.Helper()
	if err := p.rt.StartAgain(); err != nil {
		p.t.Fatal(err)
	}
}

// TestNothingIsLost runs each failure with traffic before, during and after
// it: at the end, what was published adds up to what the database holds.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if change := f.setup.change; change != nil {
				f.setup.change = nil
				p := prepare(t, f.setup)
				f.setup.change = func(o *realtime.Options) {
					change(o)
					if o.DatabaseURL != "" {
						o.DatabaseURL = p.dsn
					}
				}
				p.run(f.setup)
				runFailure(p, f)
				return
			}
			runFailure(start(t, f.setup), f)
		})
	}
}

func runFailure(p *project, f failure) {
	p.settled()
	var ids []string
	n := 0
	traffic := func() {
		n++
		id := p.message(fmt.Sprint("message ", n), "sending")
		ids = append(ids, id)
		p.status(id, "sent")
		p.status(ids[n/2], "delivered")
		if n > 2 {
			p.status(ids[n/3], "read")
		}
		p.sql("update conversations set last_message_at = clock_timestamp(), unread_count = $1 where id = $2", n, conversation)
	}
	for range 4 {
		traffic()
	}
	f.during(p, traffic)
	traffic()
	p.awaitTruth("messages", "status")
	p.awaitTruth("messages", "body")
	p.awaitTruth("conversations", "unread_count")
	p.settled()
	traffic()
	p.awaitTruth("messages", "status")
	p.awaitTruth("conversations", "unread_count")
	if st := p.src.Stats(); f.proves != nil && !f.proves(st) {
		p.t.Errorf("the failure did not happen: %+v", st)
	}
	p.rec.check(p.t)
	if p.log.contains(p.rt.Key()) {
		p.t.Error("the log shows the key")
	}
	if err := p.stop(); err != context.Canceled {
		p.t.Errorf("Run returned %v", err)
	}
}
