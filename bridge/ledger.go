package bridge

import (
	"log/slog"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/readback"
)

// newLedgerFile returns the file that keeps what was published of each row of these
// tables, nil without ledger.file. database identifies the tables' database.
func newLedgerFile(cfg *configs.Config, database string, tables []readback.Table, log *slog.Logger) *ledgerfile.File {
	if cfg.Ledger.File == "" {
		return nil
	}
	o := ledgerfile.Options{Path: cfg.Ledger.File, Identity: cfg.Source.Kind + " " + database, Logger: log}
	for _, t := range tables {
		o.Tables = append(o.Tables, t.String())
	}
	return ledgerfile.New(o)
}

// measureLedger puts the file's state into a Snapshot.
func measureLedger(f *ledgerfile.File, to *ops.Snapshot) {
	if f != nil {
		stats := f.Stats()
		to.Ledger = &stats
	}
}
