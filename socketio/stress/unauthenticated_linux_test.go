package stress_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatbridge/socketio"
)

// rawSocket opens a WebSocket that has no buffers of its own, from a local address.
func rawSocket(ctx context.Context, s *server, local string) (net.Conn, error) {
	d := net.Dialer{}
	if local != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	c, err := d.DialContext(ctx, "tcp", s.addr())
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(c, "GET "+webSocket+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(bufio.NewReaderSize(c, 512), nil); err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("handshake: %s", resp.Status)
		}
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// clientFrame is a frame of a client, masked with zeros, of which data may be only
// the beginning.
func clientFrame(op byte, size int, data []byte) []byte {
	frame := binary.BigEndian.AppendUint64([]byte{0x80 | op, 0x80 | 127}, uint64(size))
	return append(append(frame, 0, 0, 0, 0), data...)
}

// inUse is the memory that is in use once what can be freed is.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestMemoryOfUnauthenticated: what a socket that never sends a CONNECT may take,
// beside an idle one, and that it ends in seconds.
func TestMemoryOfUnauthenticated(t *testing.T) {
	const n, mega = 300, 1_000_000
	var (
		attachments = clientFrame(1, len(`452-["x"]`), []byte(`452-["x"]`))
		unfinished  = clientFrame(1, mega, bytes.Repeat([]byte("4"), mega-1000))
		small       = clientFrame(1, 32<<10, bytes.Repeat([]byte("4"), 32<<10-1000))
		binaries    = slices.Concat(attachments, clientFrame(2, mega, make([]byte, mega)), clientFrame(2, mega, make([]byte, mega-1000)))
	)
	s := start(t, socketio.DefaultOptions())
	idleServer := s.before(t)
	// measure returns what a socket that sends this takes.
	measure := func(send []byte) int64 {
		before := inUse()
		conns := make([]net.Conn, 0, n)
		defer func() {
			for _, c := range conns {
				_ = c.Close()
			}
			idleServer.Await(t)
		}()
		var sent sync.WaitGroup
		for range n {
			c, err := rawSocket(t.Context(), s, "")
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
			if len(send) > 0 {
				_ = c.SetWriteDeadline(time.Now().Add(waitLimit))
				sent.Go(func() { _, _ = c.Write(send) }) // fails where the server ends it
			}
		}
		sent.Wait()
		after := inUse()
		return (after - before) / n
	}
	idle := measure(nil)
	for name, send := range map[string][]byte{"unfinished": unfinished, "small": small, "attachments": binaries} {
		got := measure(send)
		t.Logf("%s: %d kB, idle %d kB", name, got>>10, idle>>10)
		if most := idle + 64<<10; got > most {
			t.Errorf("%s: a socket takes %d kB, more than the %d kB of an idle one and 64 kB", name, got>>10, idle>>10)
		}
	}
}

// TestUnfinishedMessageEnds: in seconds, not with the time for the CONNECT.
func TestUnfinishedMessageEnds(t *testing.T) {
	o := socketio.DefaultOptions()
	o.UnauthenticatedTimeout = 200 * time.Millisecond
	s := start(t, o)
	before := s.before(t)
	c, err := rawSocket(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write(clientFrame(1, 100, []byte("40")))
	eventually(t, "the session ends", func() bool { return s.Len() == 0 })
	if n := s.Stats().Closes[messageTimeout]; n != 1 {
		t.Errorf("%d sessions ended for an unfinished message, want 1", n)
	}
	_ = c.Close()
	before.Await(t)
}

// TestFewUnauthenticated: sockets without a CONNECT take no place from those that
// bring one, nor those of one address from another.
func TestFewUnauthenticated(t *testing.T) {
	o := socketio.DefaultOptions()
	o.MaxUnauthenticated, o.MaxUnauthenticatedPerAddress = 10, 6
	s := start(t, o)
	before := s.before(t)
	var conns []net.Conn
	end := func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	defer end()
	for i := range 50 {
		c, err := rawSocket(t.Context(), s, fmt.Sprintf("127.0.0.%d", 2+i%8))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	for range 20 {
		if err := receiveOne(t.Context(), s); err != nil {
			t.Fatalf("with many anonymous sockets: %v", err)
		}
	}
	eventually(t, "no more sessions are open than may be", func() bool { return s.Len() <= 10 })
	for range 6 {
		c, err := rawSocket(t.Context(), s, "127.0.1.1")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if _, err := rawSocket(t.Context(), s, "127.0.1.1"); err == nil {
		t.Error("the seventh anonymous socket of an address was accepted")
	}
	st := s.Stats()
	if st.Closes[maxUnauthenticated] < 40 || st.Refusals[maxUnauthenticatedPerAddress] != 1 {
		t.Errorf("%d closed for another, %d refused", st.Closes[maxUnauthenticated], st.Refusals[maxUnauthenticatedPerAddress])
	}
	end()
	before.Await(t)
}

// TestPlaceholderFlood: what is costly to look through costs the process no more than as
// much of what is refused at its first byte. How the others fare is logged: it depends
// on what else the machine does.
func TestPlaceholderFlood(t *testing.T) {
	const mega = 999_000
	objects := strings.Repeat("{},", mega/3)
	o := socketio.DefaultOptions()
	o.HandshakesPerSecond = 0
	s := start(t, o)
	before := s.before(t)
	base50, base99 := roundTrips(t, s)
	t.Logf("without a flood: p50 %v, p99 %v", base50, base99)
	plain := duringFlood(t, s, "plain", strings.Repeat("x", mega))
	for name, flood := range map[string]string{
		"placeholder": `451-["x",` + objects + `{"_placeholder":true,"num":0}]`,
		"pid":         `40{"pid":[` + objects + `{}]}`,
	} {
		if cost := duringFlood(t, s, name, flood); cost > 3*plain+2*time.Millisecond {
			t.Errorf("%s: a packet costs %v, a plain one %v", name, cost, plain)
		}
		before.Await(t)
	}
}

// processTime is the processor time that this process has used.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}

// duringFlood logs the round trips of a client while two others send packets as fast as
// the server lets them, and come back when it closes them. It returns the processor
// time for each packet.
func duringFlood(t *testing.T, s *server, name, packet string) time.Duration {
	t.Helper()
	began := processTime(t)
	frame := clientFrame(1, len(packet), []byte(packet))
	ctx, cancel := context.WithCancel(t.Context())
	var flooders sync.WaitGroup
	var sent atomic.Int64
	for range 2 {
		flooders.Go(func() {
			for ctx.Err() == nil {
				c, err := rawSocket(ctx, s, "")
				if err != nil {
					continue
				}
				for ctx.Err() == nil {
					_ = c.SetWriteDeadline(time.Now().Add(waitLimit))
					if _, err := c.Write(frame); err != nil {
						break
					}
					sent.Add(1)
				}
				_ = c.Close()
			}
		})
	}
	eventually(t, "the flood begins", func() bool { return sent.Load() > 4 })
	p50, p99 := roundTrips(t, s)
	cancel()
	flooders.Wait()
	cost := (processTime(t) - began) / time.Duration(sent.Load())
	t.Logf("%s: p50 %v, p99 %v; %d packets of %v each", name, p50, p99, sent.Load(), cost)
	return cost
}

// roundTrips returns the median and the 99th percentile of a connected client's
// acknowledged events.
func roundTrips(t *testing.T, s *server) (p50, p99 time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := write(c, "40"); err != nil {
		t.Fatal(err)
	}
	if err := await(c, "40{"); err != nil {
		t.Fatal(err)
	}
	took := make([]time.Duration, 200)
	for i := range took {
		began := time.Now()
		if err := write(c, `421["join","r"]`); err != nil {
			t.Fatal(err)
		}
		if err := await(c, "431"); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
		time.Sleep(5 * time.Millisecond) // as a client does, which has not its own core
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// TestRefusedConnects: three end the connection.
func TestRefusedConnects(t *testing.T) {
	s := start(t, socketio.DefaultOptions())
	before := s.before(t)
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	refused := 0
	for range 10 {
		if write(c, "40/none,") != nil || await(c, "44/none,") != nil {
			break
		}
		refused++
	}
	_ = c.Close()
	before.Await(t) // the end is counted after the client has seen it
	if refused != 3 || s.Stats().Closes[connectRefused] != 1 {
		t.Errorf("%d CONNECTs were answered, want 3; closed %d", refused, s.Stats().Closes[connectRefused])
	}
}

// handshake opens a session by polling from a local address, on a connection of its
// own, and returns the status.
func handshake(ctx context.Context, s *server, local string) (status int, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c := &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
	defer c.CloseIdleConnections()
	status, _, err = request(ctx, c, "GET", s.url+polling, "")
	return status, err
}

// TestHandshakeFlood: one address takes its share and no more, and where many fill the
// rate, whoever has a client comes in.
func TestHandshakeFlood(t *testing.T) {
	o := socketio.DefaultOptions()
	o.HandshakesPerSecond = 100
	o.HandshakesPerAddress = 20
	s := start(t, o)
	before := s.before(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*waitLimit)
	defer cancel()
	// connect connects a client from an address, and returns how long that took.
	connect := func(local string) (time.Duration, error) {
		began := time.Now()
		c, err := rawSocket(ctx, s, local)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		if _, err := c.Write(append([]byte{0x81, 0x82, 0, 0, 0, 0}, "40"...)); err != nil {
			return 0, err
		}
		_ = c.SetReadDeadline(time.Now().Add(waitLimit))
		var b [512]byte
		for got := ""; !strings.Contains(got, "40{"); {
			n, err := c.Read(b[:])
			if err != nil {
				return 0, err
			}
			got += string(b[:n])
		}
		return time.Since(began), nil
	}
	connects := func(local string) (ok int, p50 time.Duration) {
		var took []time.Duration
		for range 20 {
			if d, err := connect(local); err == nil {
				took = append(took, d)
			}
			time.Sleep(60 * time.Millisecond) // within the share
		}
		slices.Sort(took)
		return len(took), took[len(took)/2]
	}
	flood := func(addresses int) (end func()) {
		ctx, cancel := context.WithCancel(ctx)
		var flooders sync.WaitGroup
		var tried atomic.Int64
		for w := range 4 {
			flooders.Go(func() {
				for i := w; ctx.Err() == nil; i += 4 {
					_, _ = handshake(ctx, s, fmt.Sprintf("127.0.%d.%d", 1+i%addresses/200, 1+i%addresses%200))
					tried.Add(1)
				}
			})
		}
		eventually(t, "the flood has its effect", func() bool { return tried.Load() > 500 })
		return func() { cancel(); flooders.Wait() }
	}
	const known, fresh = "127.0.0.2", "127.0.0.3"
	_, base := connects(known)

	end := flood(1)
	ok, p50 := connects(fresh)
	end()
	t.Logf("flood of one address: %d of 20 connect, median %v; before %v", ok, p50, base)
	if ok != 20 {
		t.Errorf("beside the flood of one address %d of 20 clients of another connected", ok)
	}
	if n := s.Stats().Refusals[handshakeRatePerAddress]; n == 0 {
		t.Error("nothing was refused for its address")
	}

	end = flood(400)
	ok, p50 = connects(known)
	end()
	t.Logf("flood of many addresses: %d of 20 connect, median %v; before %v", ok, p50, base)
	if ok != 20 {
		t.Errorf("beside the flood of many addresses %d of 20 known clients connected", ok)
	}
	before.Await(t)
}
