package check

import (
	"context"
	"errors"

	"chatbridge/configs"
	"chatbridge/internal/plural"
	"chatbridge/mapping/lookup"
	"chatbridge/source/postgres/provision"
)

// lookups asks every question of the look-ups once, over the address and as the
// role that the bridge asks with, and then maps one invented message.
func (r *run) lookups(ctx context.Context) {
	setting, url := r.lookupURL()
	if r.spec == nil || url == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	pool, err := lookup.NewPool(url.Reveal(), lookup.PoolOptions{MaxConns: 1, ConnectTimeout: r.cfg.Source.Postgres.ConnectTimeout})
	if err != nil {
		r.add(provision.Connect(setting, err))
		return
	}
	defer pool.Close()
	look := lookup.NewSQL(pool, r.spec, r.cfg.Lookup.Timeout)
	result, err := look.Try(ctx)
	if err != nil {
		// postgres has reported that its own address does not connect.
		if url != r.cfg.Source.Postgres.URL || r.cfg.Source.Kind != configs.KindPostgres {
			r.add(provision.Connect(setting, err))
		}
		return
	}
	r.restIndexes(ctx, pool)
	if r.questions(result) {
		r.invented(ctx, pool, look)
	}
}

// lookupURL is where look-ups and memberships are asked for, and the setting that has it;
// "" without a database.
func (r *run) lookupURL() (setting string, url configs.DSN) {
	if r.cfg.Lookup.URL != "" {
		return "lookup.url", r.cfg.Lookup.URL
	}
	return "source.postgres.url", r.cfg.Source.Postgres.URL
}

// questions reports the results of the look-ups, and returns whether all succeeded. There are
// none if the tables are missing, which columns reports.
func (r *run) questions(result lookup.Tried) bool {
	const id, object = "lookup.questions", "lookup.url"
	if result.Without != "" {
		r.warn("lookup.columns", object, result.Without, "what they feed is left out or filled by the next in the mapping's list", result.Remedy)
	}
	failed := false
	for _, q := range result.Questions {
		if q.Err == nil {
			continue
		}
		failed = true
		err, fix := q.Err, "correct the mapping (mapping.preset, mapping.file), or the table"
		var denied *lookup.DeniedError
		if errors.As(err, &denied) {
			err, fix = denied.Err, denied.Remedy
		}
		r.fail(id, q.What, err.Error(), "events go without what it would find, such as names and the last message", fix)
	}
	if !failed && len(result.Questions) > 0 {
		r.ok(id, object, "what look-ups ask is answered (%s)", plural.Of(len(result.Questions), "question", "questions"))
	}
	return !failed && len(result.Questions) > 0
}
