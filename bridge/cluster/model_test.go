package cluster_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

var (
	modelSeeds = flag.Int("cluster.seeds", defaultSeeds, "how many random programs TestModel runs")
	modelFirst = flag.Int("cluster.first", 1, "the first one's seed")
	modelTrace = flag.Bool("cluster.trace", false, "fail each program, and show what happened")
)

// TestModel runs three nodes on one database and one Redis through random faults: the
// leader or an edge killed, or frozen and woken after another one has taken the slot, or
// cut off from Redis, from the database, or from both, also for longer than Redis keeps
// what comes; Redis away, asleep, slow, losing its tail, all, or its answers, or holding what
// no node wrote. What each node was given is judged as docs/proof.md has it:
//
//   - Reliable, Ordered, Bounded: the records of the database in order, each once, none
//     missing between two, and all of them at the end;
//   - Honest: no node is told that something is missing, but one that was away for longer
//     than the window: the database held all that Redis lost, because nothing was
//     confirmed that Redis did not have. Or that another history has begun, but where Redis
//     held what was not true a short time ago;
//   - Prompt: every node has everything a few seconds after the last fault;
//   - Resumable: a client whose session goes on, at whichever node, has all of what was
//     acknowledged to it that it follows, each event once, none missing;
//   - Orders: at the end all nodes obey the same order of the operator.
//
// A new leader goes on where the one before was, where its Node tells so, and reads all
// that is not confirmed elsewhere; both happen.
//
// A seed is one program, whatever others run beside it; in which order goroutines do what
// they do at the same moment is not in it.
func TestModel(t *testing.T) {
	t.Parallel()
	var next, elsewhere, led, resumed atomic.Int64
	t.Cleanup(func() {
		all, on := led.Load(), resumed.Load()
		t.Logf("%d times a node began to lead, %d of them where the one before was", all, on)
		if *modelSeeds > 10 && (on == 0 || on == all) {
			t.Errorf("of %d leaders %d went on where the one before was: one of the two ways was not tried", all, on)
		}
		if n := elsewhere.Load(); n < int64(*modelSeeds) && *modelSeeds >= 20 {
			t.Errorf("only %d clients went on at another node in %d programs", n, *modelSeeds)
		} else {
			t.Logf("%d clients went on at another node in %d programs", n, *modelSeeds)
		}
	})
	for part := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprintf("part %d", part+1), func(t *testing.T) {
			t.Parallel()
			for i := int(next.Add(1)); i <= *modelSeeds && !t.Failed(); i = int(next.Add(1)) {
				w := runSeed(t, *modelFirst+i-1)
				for _, v := range w.visitors {
					elsewhere.Add(int64(v.elsewhere))
				}
				led.Add(int64(w.led))
				resumed.Add(int64(w.resumed))
			}
		})
	}
}

// runSeed runs one program.
func runSeed(t *testing.T, seed int) (w *world) {
	t.Helper()
	var failed []string
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(uint64(seed))
		w.run(t.Context())
		failed = w.judge()
		if len(failed) > 0 || *modelTrace {
			failed = append(failed, "what happened:")
			failed = append(failed, w.happened...)
		}
	})
	if len(failed) > 0 {
		t.Errorf("seed %d:\n%s\nagain: go test ./bridge/cluster -run '^TestModel$' -count=20 -cluster.seeds=1 -cluster.first=%d", seed, strings.Join(failed, "\n"), seed)
	}
	return w
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
	// noRedis is while Redis is away or asleep.
	noRedis stop
	// nested tells that a fault happens in the middle of another one.
	nested bool

	mu        sync.Mutex
	log       []transaction
	events    [conversations][]cluster.ID // of log
	end       uint64                      // of the log, past all transactions
	confirmed uint64                      // of the slot
	holder    *node
	nodes     []*node
	resting   bool
	killed    time.Time // when a node was killed last
	untrue    time.Time // when Redis was last given something that is not true
	// uncounted: Redis has lost something after that. A process that is started then may not
	// know how often the history began.
	uncounted bool
	happened  []string
	visitors  []*visitor
	visited   []string // what is wrong with what they have
	// led counts the leaders, resumed those that went on where the one before was.
	led, resumed int
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &world{rng: rng, redis: newFakeRedis(), began: time.Now(), end: 100, confirmed: 100}
	w.redis.slow = time.Duration(1+rng.IntN(4)) * time.Millisecond
	for i := range 3 {
		w.nodes = append(w.nodes, &node{w: w, name: fmt.Sprintf("node%d", i), rng: rand.New(rand.NewPCG(seed, uint64(10+i))), sharedRNG: rand.New(rand.NewPCG(seed, uint64(20+i)))})
	}
	for i := range 4 {
		w.visitors = append(w.visitors, &visitor{w: w, name: fmt.Sprintf("client%d", i), rng: rand.New(rand.NewPCG(seed, uint64(30+i)))})
	}
	return w
}

// loud tells that faults may happen.
func (w *world) loud() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.resting
}

// next is the first event of a conversation after a place.
func (w *world) next(last cluster.ID, conversation int) (cluster.ID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if rest := after(w.events[conversation], last); len(rest) > 0 {
		return rest[0], true
	}
	return cluster.ID{}, false
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
	visiting, leave := context.WithCancel(ctx)
	var visitors sync.WaitGroup
	for _, v := range w.visitors {
		visitors.Go(func() { v.run(visiting) })
	}
	for i := range 12 {
		time.Sleep(time.Duration(w.rng.Int64N(int64(8 * time.Second))))
		if l := w.nodes[w.rng.IntN(len(w.nodes))].serving(); l != nil {
			l.orders.Give(fmt.Sprintf("order %d", i))
		}
		w.fault(ctx)
	}
	w.note("rest")
	w.mu.Lock()
	w.resting = true
	w.mu.Unlock()
	w.redis.set(func() { w.redis.away, w.redis.unsure, w.redis.slow = false, 0, time.Millisecond })
	for _, n := range w.nodes {
		n.boot(ctx)
	}
	time.Sleep(3 * time.Second) // the last transactions are in
	w.mu.Lock()
	w.end = ^uint64(0) // no more
	w.mu.Unlock()
	// An edge that knows a forged history takes its time until it believes the one before, and
	// sends its clients away then.
	time.Sleep(22 * time.Second)
	leave()
	visitors.Wait()
	for _, v := range w.visitors {
		w.visited = append(w.visited, v.judge()...)
	}
	w.visited = append(w.visited, w.orders()...)
	for _, n := range w.nodes {
		n.kill()
	}
}

// orders says where the nodes obey different orders of the operator.
func (w *world) orders() (failed []string) {
	first := w.nodes[0].serving()
	for _, n := range w.nodes {
		l := n.serving()
		if l == nil || first == nil {
			return append(failed, "Prompt: "+n.name+" takes no clients at the end")
		}
		l.mu.Lock()
		obeyed := l.obeyed
		l.mu.Unlock()
		if want := first.orders.Current().Text; l.orders.Current().Text != want || obeyed != want {
			failed = append(failed, fmt.Sprintf("Orders: %s has %q and obeys %q, %s has %q", l.name, l.orders.Current().Text, obeyed, first.name, want))
		}
	}
	return failed
}

func (l *life) obey(order string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.obeyed = order
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
		if rng.IntN(5) == 0 {
			w.end += rng.Uint64N(500) // what is no event
		}
		tx := transaction{commit: place(w.end + 1 + rng.Uint64N(50)), events: 1 + rng.IntN(4), at: time.Now()}
		if rng.IntN(20) == 0 {
			tx.events = 100 + rng.IntN(400)
		}
		w.commit(tx)
		w.mu.Unlock()
	}
}

// place is the first one from there on at which a transaction may be.
func place(from uint64) uint64 { return (from + 7) &^ 7 }

// commit commits a transaction. w.mu is held.
func (w *world) commit(tx transaction) {
	w.log, w.end = append(w.log, tx), tx.commit+10
	for i := range tx.events {
		id := cluster.EventID(source.Position{Commit: tx.commit, Index: uint32(i + 1)})
		c := conversationOf(id)
		w.events[c] = append(w.events[c], id)
	}
}

// forge puts into Redis what no node wrote, or takes something away.
func (w *world) forge() {
	w.mu.Lock()
	end := w.end
	w.untrue = time.Now()
	w.mu.Unlock()
	kind, far, cut := w.rng.IntN(6), 1+w.rng.Uint64N(2000), w.rng.Uint64()
	w.note("redis is given what is not true: %d, %d past %d", kind, far, end)
	f := w.redis
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now.beats == 0 {
		return
	}
	f.change(func(s *redisState) {
		entries, last := s.stream(s.of), f.last(s.of)
		add := func(id cluster.ID, data []byte) {
			if id.After(last) {
				s.put(s.of, append(entries[:len(entries):len(entries)], fakeEntry{id, data}))
			}
		}
		next := cluster.ID{Commit: last.Commit + 1}
		forged := func(id cluster.ID) []byte {
			e := cluster.Entry{Epoch: s.of, Prev: last, ID: id, Records: []cluster.Record{{Kind: cluster.MemberJoined, ID: id, Workspace: []byte("w"), Key: []byte("u")}}}
			return e.Append(nil)
		}
		switch kind {
		case 0:
			add(next, []byte("garbage"))
		case 1:
			data := forged(next)
			data[0] = 103
			add(next, data)
		case 2, 3:
			id := cluster.ID{Commit: end + far, Sub: 1}
			if kind == 3 && end > last.Commit+1 {
				id.Commit = last.Commit + 1 + far%(end-last.Commit)
			}
			add(id, forged(id))
		case 4:
			s.through = max(s.through, end+far)
		case 5:
			if n := uint64(len(entries)); n > 2 {
				i := 1 + cut%(n-2)
				s.put(s.of, append(entries[:i:i], entries[i+1:]...))
			}
		}
	})
}

// counts tells that nodes may disagree on how often the history began.
func (w *world) counts() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.uncounted
}

// trusts tells that what is in Redis has been true for a while.
func (w *world) trusts() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.untrue.IsZero() || time.Since(w.untrue) > 2*window
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
	what := w.rng.IntN(15)
	w.mu.Lock()
	w.uncounted = w.uncounted || !w.untrue.IsZero() && what >= 3 && what <= 7
	w.mu.Unlock()
	switch what {
	case 0, 1:
		w.note("kill %s", n.name)
		n.kill()
		time.Sleep(time.Duration(w.rng.Int64N(int64(6 * time.Second))))
		n.boot(ctx)
	case 2:
		w.stop(ctx, n.name+" is frozen", &n.asleep)
	case 3:
		lost := 1 + w.rng.IntN(100)
		w.note("redis loses %d changes", lost)
		f.loseTail(lost)
	case 4:
		if w.rng.IntN(2) == 0 {
			w.note("redis loses everything")
			f.loseAll()
		} else {
			w.note("redis is emptied")
			f.flush()
		}
	case 5:
		w.note("redis is away")
		w.noRedis.set()
		f.set(func() { f.away = true })
		time.Sleep(time.Duration(w.rng.Int64N(int64(2 * window))))
		lost := w.rng.IntN(3)
		if lost > 0 {
			f.loseTail(lost * 50)
		}
		w.note("redis is back without %d changes", lost*50)
		f.set(func() { f.away = false })
		w.noRedis.clear()
	case 6:
		w.note("redis is away and the leader dies")
		w.noRedis.set()
		f.set(func() { f.away = true })
		time.Sleep(time.Duration(w.rng.Int64N(int64(2 * window))))
		n.kill()
		f.set(func() { f.away = false })
		w.noRedis.clear()
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
	case 10:
		w.note("redis is asleep")
		w.noRedis.set()
		f.set(func() { f.asleep = true })
		time.Sleep(time.Duration(w.rng.Int64N(int64(window))))
		w.note("redis is awake")
		f.wake()
		w.noRedis.clear()
	case 13, 14:
		if !w.nested {
			w.forge()
			// Where Redis loses that before anybody has looked at it, or that it was replaced,
			// nobody can know.
			time.Sleep(6 * time.Second)
			f.keepsAll()
		}
	case 11:
		w.stop(ctx, n.name+" is cut off from Redis", &n.noRedis)
	case 12:
		if w.rng.IntN(2) == 0 {
			w.stop(ctx, n.name+" is cut off from the database", &n.noDatabase)
		} else {
			w.stop(ctx, n.name+" is cut off from both", &n.noDatabase, &n.noRedis)
		}
	}
}

// stop stops something of a node for a time, which is at times longer than Redis keeps
// what comes meanwhile. At times something else happens in between.
func (w *world) stop(ctx context.Context, what string, stops ...*stop) {
	w.note("%s", what)
	for _, s := range stops {
		s.set()
	}
	longest := window - 2*time.Second
	if w.rng.IntN(4) == 0 {
		longest *= 4
	}
	until := time.Now().Add(time.Duration(w.rng.Int64N(int64(longest))))
	if nested := w.rng.IntN(3) == 0 && !w.nested; nested {
		w.nested = true
		time.Sleep(time.Duration(w.rng.Int64N(int64(longest / 2))))
		w.fault(ctx)
		w.nested = false
	}
	time.Sleep(time.Until(until))
	w.note("%s no more", what)
	for _, s := range stops {
		s.clear()
	}
}

// stop is something that stands still at times.
type stop struct {
	mu    sync.Mutex
	moves chan struct{} // closed when it moves again; nil while it does
	since time.Time
	stood []span
}

type span struct{ from, to time.Time }

func (s *stop) set() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moves == nil {
		s.since, s.moves = time.Now(), make(chan struct{})
	}
}

func (s *stop) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moves != nil {
		close(s.moves)
		s.moves, s.stood = nil, append(s.stood, span{s.since, time.Now()})
	}
}

// await waits while it stands still.
func (s *stop) await(ctx context.Context) error {
	s.mu.Lock()
	moves := s.moves
	s.mu.Unlock()
	if moves == nil {
		return nil
	}
	select {
	case <-moves:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// silent tells that it has stood still for so long that the node loses the slot.
func (s *stop) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves != nil && time.Since(s.since) > slotLost
}

// recently is for how long it stood still in the time in which Redis forgets.
func (s *stop) recently() (all time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.stood {
		if time.Since(one.to) < 2*window {
			all += one.to.Sub(one.from)
		}
	}
	if s.moves != nil {
		all += time.Since(s.since)
	}
	return all
}

// slotLost is for how long a node may be silent before another one takes the slot.
const slotLost = 2500 * time.Millisecond

// node is one bridge: its Node, the source, and the log that the Node feeds.
type node struct {
	w    *world
	name string

	// rng says how long its steps at Redis take: those of the stream, and all others.
	rng, sharedRNG *rand.Rand
	// asleep: it does nothing. noRedis, noDatabase: what it asks there waits.
	asleep, noRedis, noDatabase stop

	mu    sync.Mutex
	stop  func() // nil while it does not run
	lives []*life
}

// life is one process of a node: what its log was given.
type life struct {
	marks     []mark
	w         *world
	n         *node
	name      string
	node      *cluster.Node
	mu        sync.Mutex
	applied   []cluster.ID   // since it began anew
	before    [][]cluster.ID // what it was given until then
	sessions  *cluster.Sessions
	orders    *cluster.Orders
	obeyed    string
	own       map[string]*session // by private id
	gone      bool
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
	l := &life{w: n.w, n: n, name: fmt.Sprintf("%s/%d", n.name, len(n.lives)+1), own: map[string]*session{}}
	shared := cluster.NewFakeShared(n.runScript)
	l.sessions = cluster.NewSessions(shared, time.Hour, 0)
	l.orders = cluster.NewOrders(shared, l.name, func(o cluster.Order) { l.obey(o.Text) }, func() {}, slog.New(slog.DiscardHandler))
	n.lives = append(n.lives, l)
	l.node = cluster.NewNode(cluster.NodeOptions{
		Dial: n.dial, Follower: l, Name: l.name, Keep: window + 5*time.Second, MaxItems: 1 << 20, MaxBytes: 1 << 30,
		Source: l.source, Database: n.database, Logger: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
	})
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { _ = l.node.Run(ctx) })
	parts.Go(func() { n.read(ctx, l) })
	parts.Go(func() { _ = l.sessions.Run(ctx) })
	parts.Go(func() { _ = l.orders.Run(ctx) })
	n.stop = func() { l.end(); cancel(); parts.Wait() }
}

// end ends all sessions of the process.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	l.letGo()
}

// serving returns the process of a node that takes clients, nil for none.
func (n *node) serving() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop == nil || n.asleep.silent() {
		return nil
	}
	l := n.lives[len(n.lives)-1]
	if e := l.node.EdgeStats(); l.node.Leader() == nil && (!e.Joined || !e.Connected) {
		return nil
	}
	return l
}

func (n *node) kill() {
	n.wake()
	n.w.mu.Lock()
	n.w.killed = time.Now()
	n.w.mu.Unlock()
	n.mu.Lock()
	stop := n.stop
	n.stop = nil
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// silent tells that it loses the slot.
func (n *node) silent() bool { return n.asleep.silent() || n.noDatabase.silent() }

// wake lets all go on that stands still.
func (n *node) wake() {
	n.asleep.clear()
	n.noRedis.clear()
	n.noDatabase.clear()
}

// late tells that it may have missed what Redis has forgotten since: because of itself,
// or because of Redis as well. Where Redis was away for so long and has lost its end, it is
// only the leader that has that, and what of it is older than the window is confirmed: if
// that one dies before it has appended it again, the others cannot know of it.
func (n *node) late() bool {
	own := n.asleep.recently() + n.noRedis.recently() + n.noDatabase.recently()
	n.w.mu.Lock()
	died := !n.w.killed.IsZero() && time.Since(n.w.killed) < window
	n.w.mu.Unlock()
	return (own > 0 || died) && own+n.w.noRedis.recently() >= window-2*time.Second
}

// thaw waits while the node is frozen.
func (n *node) thaw() { _ = n.asleep.await(context.Background()) }

// database answers as the database of a node does.
func (n *node) database(ctx context.Context) (cluster.Database, error) {
	n.thaw()
	if err := n.noDatabase.await(ctx); err != nil {
		return cluster.Database{}, err
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return cluster.Database{End: n.w.end, Ours: n.w.holder == n}, nil
}

func (n *node) dial(context.Context) (cluster.Store, error) {
	s, err := n.w.redis.dial(n.rng)
	if err != nil {
		return nil, err
	}
	return &nodeStore{s, n}, nil
}

// nodeStore is a connection of a node that may be frozen or cut off between any two
// steps: before Redis is asked, and before the answer comes.
type nodeStore struct {
	cluster.Store
	n *node
}

func (s *nodeStore) pass(ctx context.Context) error { return s.n.pass(ctx) }

// pass waits while the node is frozen or cut off from Redis.
func (n *node) pass(ctx context.Context) error {
	n.thaw()
	return n.noRedis.await(ctx)
}

func (s *nodeStore) Append(ctx context.Context, e cluster.Epoch, last cluster.ID, a cluster.Append) (cluster.ID, error) {
	if err := s.pass(ctx); err != nil {
		return cluster.ID{}, err
	}
	id, err := s.Store.Append(ctx, e, last, a)
	return id, errors.Join(err, s.pass(ctx))
}

func (s *nodeStore) Beat(ctx context.Context, e cluster.Epoch, last, keep cluster.ID, through uint64, beat []byte) (cluster.ID, uint64, error) {
	if err := s.pass(ctx); err != nil {
		return cluster.ID{}, 0, err
	}
	id, said, err := s.Store.Beat(ctx, e, last, keep, through, beat)
	return id, said, errors.Join(err, s.pass(ctx))
}

func (s *nodeStore) LastBeat(ctx context.Context) (cluster.RawBeat, error) {
	if err := s.pass(ctx); err != nil {
		return cluster.RawBeat{}, err
	}
	b, err := s.Store.LastBeat(ctx)
	return b, errors.Join(err, s.pass(ctx))
}

func (s *nodeStore) Read(ctx context.Context, e cluster.Epoch, after cluster.ID, beat string, wait time.Duration) (cluster.Reply, error) {
	if err := s.pass(ctx); err != nil {
		return cluster.Reply{}, err
	}
	r, err := s.Store.Read(ctx, e, after, beat, wait)
	return r, errors.Join(err, s.pass(ctx))
}

// read is the source of a node: it tries to get the slot, and reads from it.
func (n *node) read(ctx context.Context, l *life) {
	for ctx.Err() == nil {
		n.thaw()
		if err := n.noDatabase.await(ctx); err != nil {
			return
		}
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
	l.marks = nil
	if ok && at.Through >= from {
		start.From, start.Resumed, start.Fresh = at.Through, &epoch, false
	}
	// As in source/postgres: how far the source is, is nothing while it begins at the slot's
	// place, and where the leader before was while it goes on there.
	if l.begin(0); start.Resumed != nil {
		l.begin(start.From)
	}
	if l.node.Lead(ctx, start) != nil {
		return
	}
	leader := l.node.Leader()
	n.w.leads(l, &start)
	from = start.From
	l.state(true, from)
	for next := from; ctx.Err() == nil; {
		tx, end, held := n.next(ctx, next)
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
// where the slot has another holder by now, or the database has been silent for so long
// that it may have: who is silent for too long loses it.
func (n *node) next(ctx context.Context, from uint64) (tx *transaction, end uint64, held bool) {
	n.thaw()
	silent, cancel := context.WithTimeout(ctx, 2*slotLost)
	defer cancel()
	if n.noDatabase.await(silent) != nil {
		return nil, 0, false
	}
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	if n.w.holder != n {
		return nil, 0, false
	}
	log := n.w.log
	if i := sort.Search(len(log), func(i int) bool { return log[i].commit >= from }); i < len(log) {
		return &log[i], 0, true
	}
	switch {
	case n.w.end != ^uint64(0):
		return nil, max(from, n.w.end), true
	case len(log) == 0:
		return nil, from, true
	}
	return nil, max(from, log[len(log)-1].commit+1), true
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
	if r.Kind != cluster.Published {
		return // forged, as no node publishes them here
	}
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
	if joined && !l.n.late() && l.w.trusts() {
		l.fault("had to begin anew")
	} else {
		l.w.note("%s begins anew", l.name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.applied = append(l.before, l.applied), nil
	l.letGo()
}

// Restart implements cluster.Follower.
func (l *life) Restart(cluster.Restart) {
	if l.w.trusts() && !l.w.counts() {
		l.fault("was told of another history")
	} else {
		l.w.note("%s is told of another history", l.name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.applied = append(l.before, l.applied), nil
	l.letGo()
}

// judge says what is wrong with what the nodes were given.
func (w *world) judge() (failed []string) {
	var truth []cluster.ID
	for _, tx := range w.log {
		for i := 1; i <= tx.events; i++ {
			truth = append(truth, cluster.EventID(source.Position{Commit: tx.commit, Index: uint32(i)}))
		}
	}
	failed = append(failed, w.visited...)
	for _, n := range w.nodes {
		for i, l := range n.lives {
			failed = append(failed, l.faults...)
			for _, given := range append(l.before, l.applied) {
				failed = append(failed, l.inOrder(given, truth)...)
			}
			if i < len(n.lives)-1 || len(truth) == 0 {
				continue
			}
			has := l.node.EdgeStats().Cover // where it was given nothing because all is older than the window
			if led := (cluster.ID{Commit: l.through}); led.After(has) {
				has = led
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

// after returns the events after a place.
func after(all []cluster.ID, id cluster.ID) []cluster.ID {
	return all[sort.Search(len(all), func(i int) bool { return all[i].After(id) }):]
}

// inOrder says what is wrong with what a node was given from one beginning on: it has to
// be what the database committed, without a hole.
func (l *life) inOrder(given, truth []cluster.ID) (failed []string) {
	if len(given) == 0 {
		return nil
	}
	rest := truth[sort.Search(len(truth), func(i int) bool { return !given[0].After(truth[i]) }):]
	for i, id := range given {
		if i >= len(rest) || rest[i] != id {
			return append(failed, fmt.Sprintf("Reliable: %s has %v as record %d since it began, of %d, and not what the database has there", l.name, id, i, len(rest)))
		}
	}
	return nil
}
