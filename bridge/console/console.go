package console

import (
	"context"
	"crypto/rand"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/ops"
)

// Options is what the console is given of the daemon's parts. All functions may be called
// from any goroutine.
type Options struct {
	Snapshot func() ops.Snapshot
	// Clients are those that are connected; it visits each of them.
	Clients func() []api.ClientInfo
	// Close closes one client's connection, and reports whether there was one.
	Close func(id string) bool
	// Check inspects what can be wrong, as `bridge check` does.
	Check func(ctx context.Context) []Finding
	// Docs are the documents, in Markdown.
	Docs fs.FS
	// Texts are other files that documents link to, by the path that they have there, such
	// as ../configs/bridge.yaml. Those that end in .md are documents too, in which links are
	// relative to where they are.
	Texts map[string]string
}

// Console keeps what the page shows. Run must run for it to have anything.
type Console struct {
	opts   Options
	boot   string // names this process, so that the page does not mix two histories
	order  string // the value of the orders' header
	people people
	checks checks
	book   *book

	mu       sync.Mutex
	last     *ops.Snapshot // nil before the first
	rates    rates
	problems []Problem
	history  history
	timeline timeline
	refused  hour
	closed   uint64 // clients closed by order
}

// New returns a Console.
func New(opts Options) *Console {
	return &Console{
		opts: opts, boot: rand.Text(), order: rand.Text(), people: people{clients: opts.Clients},
		checks: checks{do: opts.Check, asked: make(chan struct{}, 1), last: Checked{Findings: []Finding{}}},
		book:   newBook(opts.Docs, opts.Texts), rates: unknownRates(),
	}
}

// pollInterval is how often a Snapshot is taken, so that no lasting state is missed.
const pollInterval = time.Second

// Run polls the daemon's Snapshot until ctx ends, and runs checks. It returns nil.
func (c *Console) Run(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { c.checks.run(ctx) })
	defer both.Wait()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	w := watcher{c: c}
	for w.poll(); ; w.poll() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watcher takes the samples. One goroutine has it.
type watcher struct {
	c       *Console
	polls   int
	sampled *ops.Snapshot // as of the newest sample; nil before
	worst   Level         // since then
}

// The polls from one sample to the next, and from one count of refusals to the next.
const (
	pollsPerSample = int(step / pollInterval)
	pollsPerMinute = int(time.Minute / pollInterval)
)

func (w *watcher) poll() {
	c, s := w.c, w.c.opts.Snapshot()
	found := problems(&s)
	level := verdict(&s, found).Level
	w.worst = max(w.worst, level)
	c.people.forget(s.Taken)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timeline.observe(c.last, &s)
	c.last, c.problems = &s, found
	if w.polls%pollsPerSample == 0 {
		if w.sampled != nil {
			c.rates = between(w.sampled, &s)
		}
		c.history.add(sampleOf(&s, &c.rates, w.worst))
		w.sampled, w.worst = &s, level
	}
	if w.polls%pollsPerMinute == 0 {
		c.refused.add(countRefusals(&s))
	}
	w.polls++
}

// state is the answer of console/state.
type state struct {
	Boot  string `json:"boot"`
	Order string `json:"order"`
	// Refuses says why nothing can be changed, HidesPeople why clients are not listed;
	// empty where it can and they are.
	Refuses     string    `json:"refuses,omitempty"`
	HidesPeople string    `json:"hidesPeople,omitempty"`
	Now         time.Time `json:"now"`
	Started     time.Time `json:"started"`
	Build       ops.Build `json:"build"`
	Verdict     Problem   `json:"verdict"`
	Problems    []Problem `json:"problems"`
	Path        []Part    `json:"path"`
	Lanes       []Lane    `json:"lanes"`
	// Mode and Serves are the gateway's; empty without one.
	Mode     string    `json:"mode,omitempty"`
	Serves   string    `json:"serves,omitempty"`
	Slot     []Figure  `json:"slot"`
	Timeline []Entry   `json:"timeline"`
	Refusals []Refusal `json:"refusals"`
	// Closed counts the connections closed by order.
	Closed uint64 `json:"closed"`
}

// state is what the page shows, as of now.
func (c *Console) state(may May) state {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := state{
		Boot: c.boot, Refuses: may.Refuses, HidesPeople: may.HidesPeople, Now: time.Now().UTC(),
		Problems: []Problem{}, Path: []Part{}, Lanes: []Lane{}, Slot: []Figure{}, Timeline: []Entry{}, Refusals: []Refusal{}, Closed: c.closed,
	}
	if may.Refuses == "" {
		out.Order = c.order
	}
	out.Timeline = append(out.Timeline, c.timeline.entries()...)
	slices.Reverse(out.Timeline)
	s := c.last
	if s == nil {
		out.Verdict = Problem{Level: Note, Title: "The bridge is starting"}
		return out
	}
	out.Started, out.Build = s.Started.UTC(), s.Build
	out.Verdict = verdict(s, c.problems)
	out.Problems = append(out.Problems, c.problems...)
	out.Path, out.Lanes = path(s, &c.rates, c.problems), lanes(s, c.problems)
	if s.Gateway != nil {
		out.Mode, out.Serves = string(s.Gateway.Status.Mode), s.Gateway.Status.State.String()
	}
	out.Slot = append(out.Slot, slotFigures(s)...)
	out.Refusals = c.refused.list(countRefusals(s), s.Pipeline.Mapping.UnknownWordsSeen)
	return out
}

// slotFigures are what the server says of the slot; none where there is no slot.
func slotFigures(s *ops.Snapshot) (all []Figure) {
	if s.Postgres == nil || s.Postgres.Slot == nil {
		return nil
	}
	slot := s.Postgres.Slot
	add := func(name, value string) { all = append(all, Figure{name, value}) }
	add("WAL", slot.WALStatus)
	add("held back on the database's disk", bytesText(float64(slot.HeldBack)))
	add("of it not confirmed by the bridge", bytesText(float64(slot.Unconfirmed)))
	if slot.Safe >= 0 {
		add("until the server gives the slot up", bytesText(float64(slot.Safe)))
	} else {
		add("until the server gives the slot up", "no bound")
	}
	add("confirmed up to", s.Postgres.Confirmed.String())
	if t := s.Postgres.LastCommit; !t.IsZero() {
		add("last transaction", clock(t, s.Taken))
	}
	add("as of", clock(slot.At, s.Taken))
	return all
}

// closeClient closes one connection, and counts it.
func (c *Console) closeClient(id string) bool {
	if !c.opts.Close(id) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed++
	c.timeline.note(time.Now(), Entry{Level: Note, Part: "clients", Title: "A client's connection was closed from this page"})
	return true
}

// May is what those who reach the page may do, by the listener's address and token.
type May struct {
	// Refuses and HidesPeople are as in the answer: the reasons, empty for none.
	Refuses, HidesPeople string
}

// Handler serves the page to those who may see it: ops.Admin asks for the token.
func (c *Console) Handler(may May) http.Handler { return c.handler(may) }
