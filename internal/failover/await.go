package failover

import (
	"net"
	"net/http"
	"testing"
	"time"

	"chatbridge/internal/ports"
)

// freeAddr returns an address of 127.0.0.1 at which nobody listens.
func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// awaitListener waits until something listens at addr.
func awaitListener(t testing.TB, addr string) {
	t.Helper()
	await(t, 20*time.Second, "a listener at "+addr, func() bool {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// Await polls a condition until it is true; after timeout the test fails.
func Await(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	await(t, timeout, what, ok)
}

// await polls a condition until it is true; after timeout the test fails.
func await(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", timeout, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// httpOK reports whether url answers 200.
func httpOK(url string) bool {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
