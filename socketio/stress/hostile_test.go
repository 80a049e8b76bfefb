package stress_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// good clients are connected all the time while the hostile ones come and go.
const (
	goodWebSocket = 6
	goodPolling   = 3
	// eventSize is large, so that a client that does not read is soon found out:
	// the kernel's buffers take some hundred events.
	eventSize = 8 << 10
	// window is how far the sender may be ahead of the slowest good client.
	window = 50
)

// hostileOptions are limits that a test can reach.
func hostileOptions() socketio.Options {
	o := socketio.DefaultOptions()
	// Good clients must answer in time on a busy machine as well.
	o.PingInterval, o.PingTimeout = 500*time.Millisecond, 4*time.Second
	o.ConnectTimeout = time.Second
	o.WriteTimeout = time.Second
	o.MaxPayload = 20_000
	o.QueuePackets = 4 * window
	o.InboundPacketsPerSecond = 100
	o.MaxRooms = 10
	o.HandshakesPerSecond = 0
	return o
}

// TestHostileClients sends a stream of events to well-behaved clients while
// hostile ones do their worst. The former must have every event, in order, on
// one connection; the latter must all be gone, each for a reason that was
// counted.
func TestHostileClients(t *testing.T) {
	s := start(t, hostileOptions())
	ctx, cancel := context.WithTimeout(t.Context(), 2*waitLimit)
	defer cancel()
	before := s.before(t)

	// The stream lasts until all attacks are over; then total is its length.
	var good, attackers sync.WaitGroup
	var total atomic.Int64
	total.Store(math.MaxInt64)
	progress := make([]atomic.Int64, goodWebSocket+goodPolling)
	for i := range progress {
		receive := receiveWebSocket
		if i >= goodWebSocket {
			receive = receivePolling
		}
		good.Go(func() {
			if err := receive(ctx, s, &progress[i], &total); err != nil && ctx.Err() == nil {
				t.Errorf("good client %d, after %d events: %v", i, progress[i].Load(), err)
				cancel()
			}
		})
	}
	eventually(t, "good clients connect", func() bool { return s.ns.Len() == len(progress) })

	var running sync.Map
	late := time.AfterFunc(waitLimit*3/2, func() {
		running.Range(func(name, _ any) bool { t.Errorf("still going on: %v", name); return true })
	})
	defer late.Stop()
	over := make(chan struct{})
	for _, a := range attacks {
		attackers.Go(func() {
			defer running.Delete(a.name)
			running.Store(a.name, true)
			for range a.times {
				if err := a.run(ctx, s); err != nil && ctx.Err() == nil {
					t.Errorf("%s: %v", a.name, err)
				}
			}
		})
	}
	go func() {
		attackers.Wait()
		close(over)
	}()
	publish(ctx, s, progress, &total, over)
	good.Wait()
	if ctx.Err() != nil {
		t.Fatalf("ended early: %v", ctx.Err())
	}

	<-over
	st := s.Stats()
	for _, reason := range []engineio.Reason{
		engineio.ParseError, engineio.PayloadTooBig, engineio.PingTimeout, engineio.RateLimit, engineio.TooManyRooms,
		engineio.TooManyAttachments, engineio.ConnectTimeout,
	} {
		if st.Closes[reason] == 0 {
			t.Errorf("no connection ended for %v", reason)
		}
	}
	if slow := st.Closes[engineio.QueuePackets] + st.Closes[engineio.QueueBytes] + st.Closes[engineio.WriteTimeout]; slow == 0 {
		t.Error("no slow reader was cut off")
	}
	if st.Closes[engineio.Panic] > 0 {
		t.Errorf("%d panics", st.Closes[engineio.Panic])
	}
	var reasons []string
	for r, n := range st.Closes {
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%v %d", engineio.Reason(r), n))
		}
	}
	t.Logf("ends: %s", strings.Join(reasons, ", "))
	before.Await(t)
}

// receiveOne connects a client, which goes again.
func receiveOne(ctx context.Context, s *server) error {
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := write(c, "40"); err != nil {
		return err
	}
	return await(c, "40{")
}

// publish sends numbered events until over, never more than window ahead of
// the slowest good client: those shall not be lost by our own haste.
func publish(ctx context.Context, s *server, progress []atomic.Int64, total *atomic.Int64, over <-chan struct{}) {
	fill := []byte(`"` + strings.Repeat("x", eventSize) + `"`)
	for n := int64(0); ctx.Err() == nil; n++ {
		select {
		case <-over:
			total.Store(n + 1)
		default:
		}
		s.ns.Broadcast(socketio.NewEvent("/", "n", []byte(strconv.FormatInt(n, 10)), fill), "all")
		if total.Load() == n+1 {
			return
		}
		for i := range progress {
			for progress[i].Load() < n-window && ctx.Err() == nil {
				time.Sleep(100 * time.Microsecond) // between two checks
			}
		}
	}
}

// take counts the event in a packet, which must be the next one.
func take(packet string, progress *atomic.Int64) error {
	rest, ok := strings.CutPrefix(packet, `42["n",`)
	if !ok {
		return nil
	}
	digits, _, _ := strings.Cut(rest, ",")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n != progress.Load() {
		return fmt.Errorf("event %q, want %d", digits, progress.Load())
	}
	progress.Add(1)
	return nil
}

// receiveWebSocket is a good client: it reads, and answers pings.
func receiveWebSocket(ctx context.Context, s *server, progress, total *atomic.Int64) error {
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := write(c, "40"); err != nil {
		return err
	}
	for progress.Load() < total.Load() {
		_, b, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if string(b) == "2" {
			err = write(c, "3")
		} else {
			err = take(string(b), progress)
		}
		if err != nil {
			return err
		}
	}
	return c.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
}

// receivePolling is the same by polling.
func receivePolling(ctx context.Context, s *server, progress, total *atomic.Int64) error {
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	url, err := openPolling(ctx, c, s)
	if err != nil {
		return err
	}
	for progress.Load() < total.Load() {
		status, body, err := request(ctx, c, "GET", url, "")
		if err != nil || status != 200 {
			return fmt.Errorf("poll: %d %s: %v", status, body, err)
		}
		for packet := range strings.SplitSeq(body, "\x1e") {
			if packet == "2" {
				status, body, err := request(ctx, c, "POST", url, "3")
				if err != nil || status != 200 {
					return fmt.Errorf("pong: %d %s: %v", status, body, err)
				}
			} else if err := take(packet, progress); err != nil {
				return err
			}
		}
	}
	_, _, err = request(ctx, c, "POST", url, "1")
	return err
}
