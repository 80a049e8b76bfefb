package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"chatbridge/internal/sqlquote"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// failoverSince is the server version from which standbys can copy slots.
const failoverSince = 170000

// CreateSlotSQL is the statement that creates a slot by hand: one that standbys
// copy (failover) where the server's version, as of server_version_num, knows such
// slots.
func CreateSlotSQL(slot string, version int, failover bool) string {
	extra := ""
	if failover && version >= failoverSince {
		extra = ", failover => true"
	}
	return fmt.Sprintf("SELECT pg_create_logical_replication_slot(%s, 'pgoutput'%s);", sqlquote.Literal(slot), extra)
}

// AlterFailoverSQL is the command that makes a slot one that standbys copy, or no
// longer one. There is no SQL for it: it takes a replication connection, as of psql
// "replication=database", and a slot that nobody reads.
func AlterFailoverSQL(slot string, failover bool) string {
	return fmt.Sprintf("ALTER_REPLICATION_SLOT %s (FAILOVER %t);", pgx.Identifier{slot}.Sanitize(), failover)
}

// wantsFailover reports whether the slot is to be one that standbys copy.
func (s *Source) wantsFailover() bool { return !s.opts.NoFailover && s.version() >= failoverSince }

// refusesFailover reports whether an ordinary slot may be had where one that
// standbys copy was refused: the server does not know the parameter or the feature,
// or the role may not.
func refusesFailover(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "0A000", "42501", "42883":
		return true
	}
	return false
}

// alterFailover makes the slot what the options ask for, before a stream begins on
// conn. A server that refuses is no reason not to read from it.
func (s *Source) alterFailover(ctx context.Context, conn *pgconn.PgConn, slot *slotState) error {
	want := s.wantsFailover()
	if slot.failover == want || s.opts.Create == CreateNothing {
		return nil
	}
	_, err := conn.Exec(ctx, AlterFailoverSQL(s.opts.Slot, want)).ReadAll()
	var refused *pgconn.PgError
	switch {
	case err == nil:
		s.opts.Logger.LogAttrs(ctx, slog.LevelInfo, "slot altered", slog.String("slot", s.opts.Slot), slog.Bool("failover", want))
		return nil
	case !errors.As(err, &refused):
		return s.classify("alter the slot", err)
	case refused.Error() != s.notAltered:
		s.notAltered = refused.Error()
		s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the slot cannot be altered", slog.String("slot", s.opts.Slot),
			slog.Bool("failover", want), slog.String("error", s.notAltered),
			slog.String("remedy", "set source.postgres.failover_slot to off, or run it by hand: psql \"... replication=database\" -c '"+AlterFailoverSQL(s.opts.Slot, want)+"'"))
	}
	return nil
}
