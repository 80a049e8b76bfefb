package bridge

import (
	"log/slog"

	"chatbridge/configs"
	"chatbridge/source/ledgerfile"
)

// newLedgerFile returns the file that keeps what was published of each row of these
// tables, nil for none. database says which one they are of.
func newLedgerFile(cfg *configs.Config, database string, tables []string, log *slog.Logger) *ledgerfile.File {
	if cfg.Ledger.File == "" {
		return nil
	}
	return ledgerfile.New(ledgerfile.Options{
		Path: cfg.Ledger.File, Identity: cfg.Source.Kind + " " + database, Tables: tables, Logger: log,
	})
}
