package cluster_test

import (
	"log/slog"
	"testing"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// orderTest is a bridge that obeys.
type orderTest struct {
	*cluster.Orders
	obeyed chan string
}

func startOrders(t *testing.T, server *redistest.Server, name string) *orderTest {
	t.Helper()
	shared, err := cluster.NewShared(server.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	shared.Belong(history)
	o := &orderTest{obeyed: make(chan string, 100)}
	o.Orders = cluster.NewOrders(shared, name, func(order cluster.Order) { o.obeyed <- order.Text }, func() {}, slog.New(slog.DiscardHandler))
	done := make(chan error)
	ctx := t.Context()
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() { <-done; shared.Close() })
	return o
}

func (o *orderTest) has(t *testing.T, text string) {
	t.Helper()
	await(t, "the order "+text, func() bool { o.Poll(); return o.Current().Text == text })
}

// TestTheLatestOrderCounts, on all bridges, also those that start later, and where Redis
// has lost it, or was away when it was given.
func TestTheLatestOrderCounts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startOrders(t, server, "a"), startOrders(t, server, "b")
	a.Give("one")
	b.has(t, "one")
	if x, y := <-a.obeyed, <-b.obeyed; x != "one" || y != "one" {
		t.Errorf("obeyed %q and %q", x, y)
	}
	b.Give("two")
	a.has(t, "two")
	a.Give("three")
	b.has(t, "three")
	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	a.Poll()
	c := startOrders(t, server, "c")
	c.has(t, "three")
	server.Kill()
	a.Give("four")
	server.Run()
	for _, o := range []*orderTest{a, b, c} {
		o.has(t, "four")
	}
	if err := server.Client().Set(t.Context(), "bridge:{test}:7.5:order", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz nonsense", 0).Err(); err != nil {
		t.Fatal(err)
	}
	a.Poll()
	a.has(t, "four")
}
