package cluster_test

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

var (
	modelSeeds = flag.Int("cluster.seeds", 40, "how many random programs TestModel runs")
	modelFirst = flag.Int("cluster.first", 1, "the first one's seed")
)

// TestModel runs three nodes on one database and one Redis through random faults: the
// leader or an edge killed, or frozen and woken after another one has taken the slot;
// Redis away, slow, losing its tail, all, or its answers. What each node was given is
// judged as docs/proof.md has it:
//
//   - Reliable, Ordered, Bounded: the records of the database in order, each once, none
//     missing between two, and all of them at the end;
//   - Honest: no node is told that something is missing: the database held all that
//     Redis lost, because nothing was confirmed that Redis did not have;
//   - Prompt: every node has everything a few seconds after the last fault.
//
// A new leader goes on where the one before was, where its Node tells so, and reads all
// that is not confirmed elsewhere; both happen.
func TestModel(t *testing.T) {
	t.Parallel()
	led, resumed := 0, 0
	for seed := *modelFirst; seed < *modelFirst+*modelSeeds; seed++ {
		var failed []string
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(uint64(seed))
			w.run(t.Context())
			failed = w.judge()
			led, resumed = led+w.led, resumed+w.resumed
			if len(failed) > 0 {
				failed = append(failed, "what happened:")
				failed = append(failed, w.happened...)
			}
		})
		if len(failed) > 0 {
			t.Fatalf("seed %d:\n%s\nagain: go test ./bridge/cluster -run '^TestModel$' -cluster.seeds=1 -cluster.first=%d", seed, strings.Join(failed, "\n"), seed)
		}
	}
	t.Logf("%d times a node began to lead, %d of them where the one before was", led, resumed)
	if *modelSeeds > 10 && (resumed == 0 || resumed == led) {
		t.Errorf("of %d leaders %d went on where the one before was: one of the two ways was not tried", led, resumed)
	}
}

// window is how long the database keeps what is confirmed late, as replay.window.
const window = 20 * time.Second

// transaction is one of the database: its events are numbered from 1.
type transaction struct {
	commit uint64
	events int
	at     time.Time
}

// world is a database with one slot, a Redis, and nodes.
type world struct {
	rng   *rand.Rand
	redis *fakeRedis
	began time.Time

	mu        sync.Mutex
	log       []transaction
	end       uint64 // of the log, past all transactions
	confirmed uint64 // of the slot
	holder    *node
	nodes     []*node
	happened  []string
	// led counts the leaders, resumed those that went on where the one before was.
	led, resumed int
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{rng: rng, redis: newFakeRedis(rand.New(rand.NewPCG(seed, 1))), began: time.Now(), end: 100, confirmed: 100}
	w.redis.slow = time.Duration(1+rng.IntN(4)) * time.Millisecond
	for i := range 3 {
		w.nodes = append(w.nodes, &node{w: w, name: fmt.Sprintf("node%d", i), awake: make(chan struct{})})
		close(w.nodes[i].awake)
	}
	return w
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.happened = append(w.happened, fmt.Sprintf("%9s ", time.Since(w.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// run lets the world live for some minutes, and then rest.
func (w *world) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel()
	rng := rand.New(rand.NewPCG(w.rng.Uint64(), 2))
	parts.Go(func() { w.write(ctx, rng) })
	for _, n := range w.nodes {
		n.boot(ctx)
	}
	for range 12 {
		time.Sleep(time.Duration(w.rng.Int64N(int64(8 * time.Second))))
		w.fault(ctx)
	}
	w.note("rest")
	w.redis.set(func() { w.redis.away, w.redis.unsure, w.redis.slow = false, 0, time.Millisecond })
	for _, n := range w.nodes {
		n.wake()
		n.boot(ctx)
	}
	time.Sleep(3 * time.Second) // the last transactions are in
	w.mu.Lock()
	w.end = ^uint64(0) // no more
	w.mu.Unlock()
	time.Sleep(12 * time.Second)
	for _, n := range w.nodes {
		n.kill()
	}
}

// write commits transactions, at times none for longer than the window.
func (w *world) write(ctx context.Context, rng *rand.Rand) {
	for {
		wait := time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
		if rng.IntN(60) == 0 {
			wait = window + time.Duration(rng.Int64N(int64(window)))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		w.mu.Lock()
		if w.end == ^uint64(0) {
			w.mu.Unlock()
			return
		}
		tx := transaction{commit: w.end + 1 + rng.Uint64N(50), events: 1 + rng.IntN(4), at: time.Now()}
		if rng.IntN(20) == 0 {
			tx.events = 100 + rng.IntN(400)
		}
		w.log, w.end = append(w.log, tx), tx.commit+10
		w.mu.Unlock()
	}
}

// fault lets something happen.
func (w *world) fault(ctx context.Context) {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if w.rng.IntN(2) == 0 {
		w.mu.Lock()
		if w.holder != nil {
			n = w.holder
		}
		w.mu.Unlock()
	}
	f := w.redis
	switch w.rng.IntN(10) {
	case 0, 1:
		w.note("kill %s", n.name)
		n.kill()
		time.Sleep(time.Duration(w.rng.Int64N(int64(6 * time.Second))))
		n.boot(ctx)
	case 2:
		w.note("freeze %s", n.name)
		n.freeze()
		time.Sleep(time.Duration(w.rng.Int64N(int64(window - 2*time.Second)))) // longer, and an edge has to begin anew
		w.note("wake %s", n.name)
		n.wake()
	case 3:
		lost := 1 + w.rng.IntN(100)
		w.note("redis loses %d changes", lost)
		f.loseTail(lost)
	case 4:
		w.note("redis loses everything")
		f.loseAll()
	case 5:
		w.note("redis is away")
		f.set(func() { f.away = true })
		time.Sleep(time.Duration(w.rng.Int64N(int64(2 * window))))
		lost := w.rng.IntN(3)
		if lost > 0 {
			f.loseTail(lost * 50)
		}
		w.note("redis is back without %d changes", lost*50)
		f.set(func() { f.away = false })
	case 6:
		w.note("redis is away and the leader dies")
		f.set(func() { f.away = true })
		time.Sleep(time.Duration(w.rng.Int64N(int64(2 * window))))
		n.kill()
		f.set(func() { f.away = false })
		n.boot(ctx)
	case 7:
		w.note("redis loses its tail while the leader dies")
		n.kill()
		f.loseTail(1 + w.rng.IntN(30))
		n.boot(ctx)
	case 8:
		f.set(func() { f.unsure = w.rng.IntN(2) * 20 })
	case 9:
		f.set(func() { f.slow = time.Duration(1+w.rng.IntN(200)) * time.Millisecond })
	}
}

// node is one bridge: its Node, the source, and the log that the Node feeds.
type node struct {
	w    *world
	name string

	mu     sync.Mutex
	stop   func() // nil while it does not run
	awake  chan struct{}
	frozen bool
	since  time.Time // when it froze
	lives  []*life
}

// life is one process of a node: what its log was given.
type life struct {
	marks     []mark
	w         *world
	name      string
	node      *cluster.Node
	mu        sync.Mutex
	applied   []cluster.ID
	faults    []string
	through   uint64
	streaming bool
}

// mark is a place of the database's log, and when all before it was handled.
type mark struct {
	handled uint64
	at      time.Time
}

// boot starts the node, where it does not run.
func (n *node) boot(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop != nil {
		return
	}
	l := &life{w: n.w, name: fmt.Sprintf("%s/%d", n.name, len(n.lives)+1)}
	n.lives = append(n.lives, l)
	l.node = cluster.NewNode(cluster.NodeOptions{
		Dial: n.dial, Follower: l, Name: l.name, Keep: window + 5*time.Second, MaxItems: 1 << 20, MaxBytes: 1 << 30,
		Source: l.source, Logger: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
	})
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { _ = l.node.Run(ctx) })
	parts.Go(func() { n.read(ctx, l) })
	n.stop = func() { cancel(); parts.Wait() }
}

func (n *node) kill() {
	n.wake()
	n.mu.Lock()
	stop := n.stop
	n.stop = nil
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (n *node) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.frozen {
		n.frozen, n.since, n.awake = true, time.Now(), make(chan struct{})
	}
}

// silent tells that the node has been frozen for so long that it loses the slot.
func (n *node) silent() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.frozen && time.Since(n.since) > 2500*time.Millisecond
}

func (n *node) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.frozen {
		n.frozen = false
		close(n.awake)
	}
}

// thaw waits while the node is frozen.
func (n *node) thaw() {
	n.mu.Lock()
	awake := n.awake
	n.mu.Unlock()
	<-awake
}

func (n *node) dial(ctx context.Context) (cluster.Store, error) {
	s, err := n.w.redis.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &frozenStore{s, n}, nil
}

// frozenStore is a connection of a node that may be frozen between any two steps.
type frozenStore struct {
	cluster.Store
	n *node
}

func (s *frozenStore) Append(ctx context.Context, e cluster.Epoch, last cluster.ID, a cluster.Append) (cluster.ID, error) {
	s.n.thaw()
	defer s.n.thaw()
	return s.Store.Append(ctx, e, last, a)
}

func (s *frozenStore) Beat(ctx context.Context, e cluster.Epoch, last, keep cluster.ID, through uint64, beat []byte) (cluster.ID, error) {
	s.n.thaw()
	defer s.n.thaw()
	return s.Store.Beat(ctx, e, last, keep, through, beat)
}

func (s *frozenStore) Read(ctx context.Context, e cluster.Epoch, after cluster.ID, beat string, wait time.Duration) (cluster.Reply, error) {
	s.n.thaw()
	defer s.n.thaw()
	return s.Store.Read(ctx, e, after, beat, wait)
}

// read is the source of a node: it tries to get the slot, and reads from it.
func (n *node) read(ctx context.Context, l *life) {
	for ctx.Err() == nil {
		n.thaw()
		n.w.mu.Lock()
		free := n.w.holder == nil || n.w.holder != n && n.w.holder.silent()
		if free {
			n.w.holder = n
		}
		from := n.w.confirmed
		n.w.mu.Unlock()
		if free {
			n.lead(ctx, l, from)
			l.state(false, 0)
		} else if l.node.Follow(ctx) != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// lead reads from a place until the node dies or has lost the slot.
func (n *node) lead(ctx context.Context, l *life, from uint64) {
	defer func() {
		n.w.mu.Lock()
		defer n.w.mu.Unlock()
		if n.w.holder == n {
			n.w.holder = nil
		}
	}()
	start := cluster.Start{System: 7, Timeline: 1, From: from, Confirmed: from, Fresh: true}
	at, epoch, ok := l.node.Place(ctx, from)
	if ok && at.Through >= from {
		start.From, start.Resumed, start.Fresh = at.Through, &epoch, false
	}
	l.begin(start.From)
	if l.node.Lead(ctx, start) != nil {
		return
	}
	leader := l.node.Leader()
	n.w.leads(l, &start)
	from = start.From
	for next := from; ctx.Err() == nil; {
		tx, end, held := n.next(next)
		if !held {
			return
		}
		if tx == nil {
			l.state(true, end)
			n.confirm(leader, end)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		leader.Begin(tx.commit)
		for i := 1; i <= tx.events; i++ {
			if i%100 == 50 { // it may die or freeze in the middle
				time.Sleep(time.Millisecond)
				n.thaw()
				if ctx.Err() != nil {
					return
				}
			}
			r := record(tx.commit, i)
			l.publish(cluster.EventID(source.Position{Commit: tx.commit, Index: uint32(i)}))
			leader.Publish(source.Position{Commit: tx.commit, Index: uint32(i)}, r, time.Now())
		}
		next = tx.commit + 1
		l.state(true, next)
		n.confirm(leader, next)
	}
}

// leads counts a leader.
func (w *world) leads(l *life, s *cluster.Start) {
	w.note("%s leads from %d, resumed: %v, confirmed: %d", l.name, s.From, s.Resumed != nil, s.Confirmed)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.led++
	if s.Resumed != nil {
		w.resumed++
	}
}

// record is that of an event, with a text that tells which.
func record(commit uint64, index int) cluster.Record {
	text := binary.BigEndian.AppendUint64(nil, commit)
	return cluster.Record{
		Event: contract.Message, Workspace: []byte("w"), Conversation: []byte("c"), Commit: time.Now(),
		Text: binary.BigEndian.AppendUint32(text, uint32(index)),
	}
}

// next returns the next transaction from a place, or the end of the log. held is false
// where the slot has another holder by now: who is silent for too long loses it.
func (n *node) next(from uint64) (tx *transaction, end uint64, held bool) {
	n.thaw()
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.w.holder != n {
		return nil, 0, false
	}
	for i := range n.w.log {
		if n.w.log[i].commit >= from {
			return &n.w.log[i], 0, true
		}
	}
	if len(n.w.log) == 0 {
		return nil, from, true
	}
	return nil, n.w.log[len(n.w.log)-1].commit + 1, true
}

// confirm confirms what is older than the window and held by Redis.
func (n *node) confirm(leader *cluster.Leader, handled uint64) {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.w.holder != n {
		return
	}
	l := n.lives[len(n.lives)-1]
	l.marks = append(l.marks, mark{handled, time.Now()})
	for len(l.marks) > 0 && time.Since(l.marks[0].at) >= window && l.marks[0].handled <= leader.Held() {
		n.w.confirmed = max(n.w.confirmed, l.marks[0].handled)
		l.marks = l.marks[1:]
	}
}

func (l *life) state(streaming bool, through uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streaming, l.through = streaming, max(l.through, through)
}

// begin notes where the source begins.
func (l *life) begin(from uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streaming, l.through = true, from
}

func (l *life) source() cluster.SourceState {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := cluster.SourceState{Through: l.through, Streaming: l.streaming, Flowing: l.streaming}
	if l.streaming {
		s.Place = &cluster.Place{Through: l.through}
	}
	return s
}

// publish is the Hub: it drops what it has.
func (l *life) publish(id cluster.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.applied) == 0 || id.After(l.applied[len(l.applied)-1]) {
		l.applied = append(l.applied, id)
	}
}

// Apply implements cluster.Follower. The Edge gives each record once.
func (l *life) Apply(r *cluster.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.applied); n > 0 && !r.ID.After(l.applied[n-1]) {
		l.faults = append(l.faults, fmt.Sprintf("Ordered: %s was given %v after %v", l.name, r.ID, l.applied[n-1]))
		return
	}
	if len(r.Text) != 12 || binary.BigEndian.Uint64(r.Text) != r.ID.Commit {
		l.faults = append(l.faults, fmt.Sprintf("%s: %v has another's text", l.name, r.ID))
	}
	l.applied = append(l.applied, r.ID)
}

// Write takes what the node logs.
func (l *life) Write(line []byte) (int, error) {
	l.w.note("%s logs %s", l.name, strings.TrimSpace(string(line)))
	return len(line), nil
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return a
}

func (l *life) fault(text string) {
	l.w.note("%s %s: %+v", l.name, text, l.node.EdgeStats())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, "Honest: "+l.name+" "+text)
}

func (l *life) Gap(cluster.Gap) { l.fault("was told of a gap") }

// Rejoin implements cluster.Follower. Before the log was whole for the first time there
// were no clients that would lack something.
func (l *life) Rejoin(joined bool) {
	if joined {
		l.fault("had to begin anew")
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = nil
}
func (l *life) Restart(cluster.Restart) { l.fault("was told of another history") }

// judge says what is wrong with what the nodes were given.
func (w *world) judge() (failed []string) {
	var truth []cluster.ID
	place := map[cluster.ID]int{}
	for _, tx := range w.log {
		for i := 1; i <= tx.events; i++ {
			id := cluster.EventID(source.Position{Commit: tx.commit, Index: uint32(i)})
			place[id] = len(truth)
			truth = append(truth, id)
		}
	}
	for _, n := range w.nodes {
		for i, l := range n.lives {
			failed = append(failed, l.faults...)
			for j, id := range l.applied {
				if j > 0 && place[id] != place[l.applied[j-1]]+1 {
					failed = append(failed, fmt.Sprintf("Reliable: %s has %v after %v, and lacks %d between", l.name, id, l.applied[j-1], place[id]-place[l.applied[j-1]]-1))
				}
			}
			if i < len(n.lives)-1 || len(truth) == 0 {
				continue
			}
			has := l.node.EdgeStats().Cover // where it was given nothing because all is older than the window
			if l.through > 0 {
				has = cluster.ID{Commit: l.through} // it led
			}
			if len(l.applied) > 0 {
				has = l.applied[len(l.applied)-1]
			}
			if truth[len(truth)-1].After(has) {
				failed = append(failed, fmt.Sprintf("Prompt: %s has not all at the end: %d records up to %v, edge %+v", l.name, len(l.applied), has, l.node.EdgeStats()))
			}
		}
	}
	return failed
}
