package ports_test

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"chatbridge/internal/ports"
)

// Each port is given once, is free, and none that the kernel would give.
func TestFree(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	kernels := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		all  sync.WaitGroup
	)
	for range 8 {
		all.Go(func() {
			for range 50 {
				addr, err := ports.Free()
				if err != nil {
					t.Error(err)
					return
				}
				_, text, _ := net.SplitHostPort(addr)
				if port, _ := strconv.Atoi(text); port < 11_000 || port >= 32_768 && kernels >= 32_768 {
					t.Errorf("%s, and the kernel gives ports like %d", addr, kernels)
				}
				again, err := net.Listen("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = again.Close()
				mu.Lock()
				if seen[addr] {
					t.Errorf("%s was given twice", addr)
				}
				seen[addr] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}
