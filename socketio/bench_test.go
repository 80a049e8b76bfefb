package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/socketio"
)

// BenchmarkBroadcast measures what a delivery costs: encode an event, queue it for
// all sockets of a room and write it. The clients only count bytes. An iteration is
// one event; the queues are drained before the clock stops, so that the writes and
// their allocations are counted.
func BenchmarkBroadcast(b *testing.B) {
	for _, clients := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkBroadcast(b, clients) })
	}
}

func benchmarkBroadcast(b *testing.B, clients int) {
	o := socketio.DefaultOptions()
	server, err := socketio.New(o)
	if err != nil {
		b.Fatal(err)
	}
	ns := server.Namespace("/")
	var joined atomic.Int64
	ns.OnConnect(func(s *socketio.Socket) { _ = s.Join("room"); joined.Add(1) })
	web := httptest.NewServer(server)
	defer web.Close()
	defer func() { _ = server.Shutdown(context.Background(), socketio.ShutdownOptions{}) }()

	var got atomic.Int64
	for range clients {
		dialCounting(b, web.Listener.Addr().String(), &got)
	}
	for joined.Load() < int64(clients) {
		time.Sleep(time.Millisecond)
	}
	payload := []byte(`{"id":"` + strings.Repeat("x", 440) + `"}`)
	room := ns.Room("room")
	frame := int64(socketio.NewEvent("/", "message", payload).Size())
	for st := server.Stats(); st.QueuedPackets > 0; st = server.Stats() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	got.Store(0)
	var sent int64
	writes := server.Stats().Writes
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n := ns.BroadcastTo(socketio.NewEvent("/", "message", payload), room)
		sent += int64(n)
		for sent-got.Load()/frame > int64(clients)*200 { // let the clients keep up
			time.Sleep(100 * time.Microsecond)
		}
	}
	for got.Load() < sent*frame {
		time.Sleep(100 * time.Microsecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(sent)/float64(server.Stats().Writes-writes), "deliveries/write")
}

// dialCounting connects a client that adds up the bytes it gets.
func dialCounting(b *testing.B, addr string, got *atomic.Int64) {
	conn, r := dialRaw(b, addr)
	b.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Read(buf)
			got.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
}

// BenchmarkNewEvent measures encoding alone: two allocations, the packet and its
// bytes.
func BenchmarkNewEvent(b *testing.B) {
	payload := []byte(`{"id":"` + strings.Repeat("x", 440) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		socketio.NewEvent("/", "message", payload)
	}
}

// BenchmarkConnect measures a connection from TCP to the CONNECT packet, and its end.
func BenchmarkConnect(b *testing.B) {
	server, err := socketio.New(socketio.DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	server.Namespace("/")
	web := httptest.NewServer(server)
	defer web.Close()
	defer func() { _ = server.Shutdown(context.Background(), socketio.ShutdownOptions{}) }()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			conn, r := dialRaw(b, web.Listener.Addr().String())
			for n := 0; n < 2; n++ { // the open packet, the CONNECT packet
				header, err := r.Peek(2)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = r.Discard(2 + int(header[1]))
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	})
}

// dialRaw connects a client that says what it must and nothing else.
func dialRaw(b *testing.B, addr string) (net.Conn, *bufio.Reader) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Fatal(resp, err)
	}
	_, _ = conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, '4', '0'})
	return conn, r
}
