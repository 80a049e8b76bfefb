package console

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/bridge/api"
)

// The bounds of what is listed, and of how long a listing serves: it visits every client.
const (
	maxListed     = 100
	maxWorkspaces = 50
	listingServes = 2 * time.Second
	listingLasts  = 30 * time.Second
)

// Person is a connected client as the page lists it.
type Person struct {
	ID        string `json:"id"`
	Workspace string `json:"workspace"`
	User      string `json:"user"`
	Address   string `json:"address"`
	Transport string `json:"transport"`
	// Age is in seconds, Rate in messages a second since the listing before, or since it
	// connected.
	Age         float64 `json:"age"`
	Rate        float64 `json:"rate"`
	Queued      int     `json:"queued"`
	QueuedBytes int     `json:"queuedBytes"`
	CatchingUp  bool    `json:"catchingUp"`
}

// Workspace sums its clients.
type Workspace struct {
	ID          string  `json:"id"`
	Clients     int     `json:"clients"`
	Rate        float64 `json:"rate"`
	QueuedBytes int     `json:"queuedBytes"`
	Oldest      float64 `json:"oldest"`
	CatchingUp  int     `json:"catchingUp"`
}

// People is what is listed: the first of each, and of how many.
type People struct {
	Clients    []Person    `json:"clients"`
	Matching   int         `json:"matching"`
	Connected  int         `json:"connected"`
	Workspaces []Workspace `json:"workspaces"`
	// OfWorkspaces is how many have clients.
	OfWorkspaces int `json:"ofWorkspaces"`
}

// people lists the clients when somebody asks.
type people struct {
	clients func() []api.ClientInfo

	mu     sync.Mutex // held while listing; concurrent requests get the same listing
	at     time.Time
	listed []Person
	sent   map[string]uint64 // by client, as of at
}

// orders are the columns that can come first.
var orders = map[string]struct {
	clients    func(a, b *Person) int
	workspaces func(a, b *Workspace) int
}{
	"rate":  {func(a, b *Person) int { return cmp.Compare(b.Rate, a.Rate) }, func(a, b *Workspace) int { return cmp.Compare(b.Rate, a.Rate) }},
	"queue": {func(a, b *Person) int { return cmp.Compare(b.QueuedBytes, a.QueuedBytes) }, func(a, b *Workspace) int { return cmp.Compare(b.QueuedBytes, a.QueuedBytes) }},
	"age":   {func(a, b *Person) int { return cmp.Compare(b.Age, a.Age) }, func(a, b *Workspace) int { return cmp.Compare(b.Oldest, a.Oldest) }},
}

// list returns those who match, by an order of orders. find is part of a workspace, user or
// address.
func (p *people) list(order, find string, now time.Time) People {
	all := p.refresh(now)
	by, ok := orders[order]
	if !ok {
		by = orders["rate"]
	}
	find = strings.ToLower(strings.TrimSpace(find))
	out := People{Connected: len(all), Clients: []Person{}, Workspaces: []Workspace{}}
	workspaces := map[string]*Workspace{}
	var matching []Person
	for i := range all {
		c := &all[i]
		w := workspaces[c.Workspace]
		if w == nil {
			w = &Workspace{ID: c.Workspace}
			workspaces[c.Workspace] = w
		}
		w.Clients++
		w.Rate += c.Rate
		w.QueuedBytes += c.QueuedBytes
		w.Oldest = max(w.Oldest, c.Age)
		if c.CatchingUp {
			w.CatchingUp++
		}
		if find == "" || strings.Contains(strings.ToLower(c.Workspace+"\x00"+c.User+"\x00"+c.Address), find) {
			matching = append(matching, *c)
		}
	}
	out.Matching, out.OfWorkspaces = len(matching), len(workspaces)
	slices.SortFunc(matching, func(a, b Person) int { return cmp.Or(by.clients(&a, &b), cmp.Compare(a.ID, b.ID)) })
	out.Clients = append(out.Clients, matching[:min(len(matching), maxListed)]...)
	for _, w := range workspaces {
		out.Workspaces = append(out.Workspaces, *w)
	}
	slices.SortFunc(out.Workspaces, func(a, b Workspace) int {
		return cmp.Or(by.workspaces(&a, &b), cmp.Compare(b.Clients, a.Clients), cmp.Compare(a.ID, b.ID))
	})
	out.Workspaces = out.Workspaces[:min(len(out.Workspaces), maxWorkspaces)]
	return out
}

// refresh returns a listing that is not older than listingServes.
func (p *people) refresh(now time.Time) []Person {
	p.mu.Lock()
	defer p.mu.Unlock()
	passed := now.Sub(p.at)
	if p.sent != nil && passed < listingServes {
		return p.listed
	}
	infos := p.clients()
	listed, sent := make([]Person, len(infos)), make(map[string]uint64, len(infos))
	for i := range infos {
		c := &infos[i]
		age := max(now.Sub(c.Connected).Seconds(), 0)
		n, over := c.Sent, age
		if was, ok := p.sent[c.ID]; ok && was <= n {
			n, over = n-was, passed.Seconds()
		}
		sent[c.ID] = c.Sent
		address := ""
		if c.Address.IsValid() {
			address = c.Address.String()
		}
		listed[i] = Person{
			ID: c.ID, Workspace: c.Workspace, User: c.User, Address: address, Transport: c.Transport, Age: age,
			Rate: float64(n) / max(over, 1), Queued: c.Queued, QueuedBytes: c.Bytes, CatchingUp: c.Paused,
		}
	}
	p.at, p.listed, p.sent = now, listed, sent
	return listed
}

// forget drops a listing that nobody has asked for in a while.
func (p *people) forget(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.at) > listingLasts {
		p.listed, p.sent = nil, nil
	}
}
