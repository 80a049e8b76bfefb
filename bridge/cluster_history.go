package bridge

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/requirements"
	"chatbridge/configs"
	"chatbridge/source/postgres/dial"
)

// ownHistory knows the History of this bridge's database. A leader has it from its stream; an
// edge asks the database before it follows a leader: bridges of another database may use the
// same cluster.name, and their changes are not for its clients. Its methods are safe for
// concurrent use.
type ownHistory struct {
	cfg      *configs.Config
	password func() string
	// became is called with each new History.
	became func(cluster.History)

	asking chan struct{} // has a token while nobody asks
	mu     sync.Mutex
	known  cluster.History
	asked  time.Time
	failed error // of the last attempt, nil if it succeeded
}

const (
	// historyTimeout bounds a question to the database. After a failure the same error is
	// returned for historyPause. While no leader is heard an answer counts for historyFor:
	// the host's name in the DNS may lead to another database since.
	historyTimeout = 2 * time.Second
	historyPause   = 250 * time.Millisecond
	historyFor     = 2 * time.Second
)

func newOwnHistory(cfg *configs.Config, pw *passwords, became func(cluster.History)) *ownHistory {
	o := &ownHistory{cfg: cfg, password: pw.of(sourceURL), became: became, asking: make(chan struct{}, 1)}
	o.asking <- struct{}{}
	return o
}

// set stores a History that the database or the stream has told.
func (o *ownHistory) set(h cluster.History) {
	o.mu.Lock()
	before := o.known
	o.known, o.failed = h, nil
	o.mu.Unlock()
	if h != before {
		o.became(h)
	}
}

// error returns why the History is not known; nil if it is, or before the first attempt.
func (o *ownHistory) error() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known.IsZero() {
		return nil
	}
	return o.failed
}

// of returns the History. It asks the database if the History is unknown, or if it is doubtful
// and the last question was historyFor ago.
func (o *ownHistory) of(ctx context.Context, doubtful bool) (cluster.History, error) {
	select {
	case <-o.asking:
		defer func() { o.asking <- struct{}{} }()
	case <-ctx.Done():
		return cluster.History{}, ctx.Err()
	}
	o.mu.Lock()
	known, age, failed := o.known, time.Since(o.asked), o.failed
	o.mu.Unlock()
	switch {
	case !known.IsZero() && (!doubtful || age < historyFor):
		return known, nil
	case known.IsZero() && failed != nil && age < historyPause:
		return known, failed
	}
	h, err := o.ask(ctx)
	o.mu.Lock()
	o.asked, o.failed = time.Now(), err
	o.mu.Unlock()
	if err == nil {
		o.set(h)
		return h, nil
	}
	if !known.IsZero() {
		return known, nil // it counts until the database answers something else
	}
	return known, err
}

func (o *ownHistory) ask(ctx context.Context) (h cluster.History, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(historyTimeout, o.cfg.Source.Postgres.ConnectTimeout))
	defer cancel()
	config, err := dial.Config(o.cfg.Source.Postgres.URL.Reveal(), selfOf(o.cfg).Application("chatbridge"))
	if err == nil {
		if p := o.password(); p != "" {
			config.Password = p
		}
		h, err = askHistory(ctx, config)
	}
	if err != nil {
		return h, &historyError{fmt.Errorf("it is not known which database this bridge is of, and so which leader to follow: %w", err)}
	}
	return h, nil
}

// historyError is the error of a database that does not tell its History.
type historyError struct{ error }

// Remedy tells what to do: see cluster.Remedy.
func (*historyError) Remedy() string {
	return "see that source.postgres.url leads to the database from here; where that refuses the question: " + requirements.DatabaseRemedy
}

func (e *historyError) Unwrap() error { return e.error }

// selfOf identifies this process in the names of its connections to the database.
func selfOf(cfg *configs.Config) dial.Bridge {
	host, _ := os.Hostname() // without one it is unknown
	return dial.Bridge{Host: host, PID: os.Getpid(), Cluster: cfg.Cluster.Name}
}

func askHistory(ctx context.Context, config *pgx.ConnConfig) (h cluster.History, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return h, err
	}
	defer dial.Close(ctx, conn)
	h.System, h.Database, err = requirements.Database(ctx, conn)
	return h, err
}
