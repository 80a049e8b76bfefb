package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbridge/mapping"
	"chatbridge/source/readback"
	"chatbridge/source/realtime"
)

// readBack tries the reader with which the bridge reads back what Realtime loses: SQL
// where there is a database's address, else PostgREST.
func (r *run) readBack(ctx context.Context) {
	reader, with, err := r.reader()
	if err != nil {
		r.fail("realtime.reader", "", err.Error(), "what Realtime loses stays missing", "check lookup.url, source.postgres.url or source.realtime.url")
		return
	}
	defer reader.Close()
	for _, t := range r.spec.Tables() {
		if t.Stream {
			r.readTable(ctx, reader, with, &t)
		}
	}
}

const withSQL = "with SQL"

// clock reports once that the clock of PostgREST's server differs from this machine's.
func (r *run) clock(off time.Duration) {
	const id = "realtime.clock"
	if slices.ContainsFunc(r.findings, func(f Finding) bool { return f.ID == id }) {
		return
	}
	way := "ahead of"
	if off < 0 {
		way = "behind"
	}
	r.warn(id, "source.realtime.url", fmt.Sprintf("the clock of what answers for PostgREST (the header Date) is %s %s this machine's", off.Abs().Round(time.Second), way),
		"rows are read back from the earlier of the two on, up to a day more than are needed; past a day the right one may not be known", "set the clock of this machine, or of what is before PostgREST, by NTP; or set lookup.url, which asks the database itself")
}

type closingReader interface {
	realtime.Reader
	Close() error
}

// reader returns the reader that the bridge would use, and its name for findings.
func (r *run) reader() (reader closingReader, with string, err error) {
	if _, url := r.lookupURL(); url != "" {
		reader, err = readback.NewSQL(url.Reveal(), stepTimeout)
		return reader, withSQL, err
	}
	rt := r.cfg.Source.Realtime
	key := func(context.Context) (string, error) { return rt.Key.Reveal(), nil }
	reader, err = readback.NewPostgREST(readback.PostgRESTOptions{URL: rt.URL + "/rest/v1", Key: key, Timeout: stepTimeout})
	return reader, "through PostgREST", err
}

// readTable reads from one table the columns that reading back reads.
func (r *run) readTable(ctx context.Context, reader realtime.Reader, with string, t *mapping.Table) {
	const id = "realtime.table"
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	name := t.Schema + "." + t.Name
	shape, err := realtime.Try(ctx, reader, realtime.Table{Schema: t.Schema, Name: t.Name, Key: t.KeyNames()}, r.cfg.Source.Realtime.Window)
	if err != nil {
		fix := "check the address, the network and the server's own log"
		var e *readback.Error
		if errors.As(err, &e) && e.Hint != "" {
			fix = e.Hint
		}
		r.fail(id, name, "it cannot be read back "+with+": "+bare(err), "what Realtime loses of it stays missing", fix)
		return
	}
	if off := time.Until(shape.Time); with != withSQL && !shape.Time.IsZero() && off.Abs() > time.Minute {
		r.clock(off)
	}
	if shape.Filtered {
		r.warn("realtime.policies", name, "row level security applies to the role of the database's address",
			"rows that no policy shows it are not read back, without an error", "give the role BYPASSRLS (ALTER ROLE … BYPASSRLS;), or a policy on the table that shows it every row")
	}
	var missing []string
	for _, c := range t.Columns {
		if c.Required && !c.Derived() && len(shape.Columns) > 0 && !shape.Has(c.Name) {
			missing = append(missing, c.Name)
		}
	}
	if len(missing) > 0 {
		r.fail(id, name, fmt.Sprintf("it has no column %s", strings.Join(missing, ", ")), "the bridge cannot make events of it", "correct the mapping, or add the column to "+name)
		return
	}
	r.ok(id, name, "%s can be read back %s", name, with)
}
