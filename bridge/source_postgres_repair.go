package bridge

import (
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/readback"
	"chatbridge/source/repair"
)

// newRepair returns what reads back from the followed tables what the stream lost. It
// reads from the database of the look-ups, over a connection of its own. The file, nil
// without ledger.file, keeps over a restart what it remembers.
func newRepair(cfg *configs.Config, spec *mapping.Spec, pw *passwords, log *slog.Logger) (*repair.Repair, *ledgerfile.File, error) {
	url := databaseURL(cfg)
	reader, err := readback.NewSQL(url.Reveal(), cfg.Source.Postgres.ConnectTimeout)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", url, err)
	}
	reader.Password = pw.of(databaseURL)
	o := repair.Options{Reader: reader, Publication: cfg.Source.Postgres.Publication, Times: map[string]string{}, Logger: log}
	tables := spec.Tables()
	for i := range tables {
		t := compared(&tables[i])
		if i == 0 {
			t.Watch = spec.StatusColumns()
			if _, at := spec.MessageTime(); at >= 0 && !tables[0].Columns[at].Derived() {
				o.Times[t.String()] = tables[0].Columns[at].Name
			}
		}
		o.Tables = append(o.Tables, t)
	}
	r, err := repair.New(o)
	if err != nil {
		return nil, nil, err
	}
	// The host is no part of the identity: a standby that was promoted has the same database.
	database, err := pgconn.ParseConfig(cfg.Source.Postgres.URL.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("source.postgres.url: %s: %w", cfg.Source.Postgres.URL, err)
	}
	return r, newLedgerFile(cfg, database.Database+" "+cfg.Source.Postgres.Slot, o.Tables, log), nil
}

// compared returns a table of the mapping as it is read back: by its key and workspace,
// and only the columns that the mapping reads.
func compared(t *mapping.Table) readback.Table {
	f := followed(t)
	for _, part := range t.KeyParts() {
		if part.Derived() {
			f.Key = nil // a part inside of a column is no key: use the table's primary key
			return f
		}
	}
	if f.Workspace != "" {
		f.Key = append(f.Key, f.Workspace)
	}
	for i := range t.Columns {
		if t.Columns[i].Parts == nil {
			f.Only = append(f.Only, t.Columns[i].Name)
		}
	}
	return f
}
