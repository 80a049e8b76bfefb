package bridge

import (
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/bridge/pipeline"
	"chatbridge/configs"
	"chatbridge/source/postgres/provision"
)

// membership is how the bridge learns that a user leaves a workspace while one of
// her clients is connected: from the stream where the table of members is published,
// else by asking again.
type membership struct {
	table     pipeline.MembersTable
	ttl       string // how often is asked while the table is not published
	published atomic.Bool
	log       *slog.Logger
	// logged is what the log said last, nil for nothing yet. The goroutine of the
	// source alone uses it.
	logged *bool
}

// newMembership returns nil where nobody is admitted by a membership.
func newMembership(cfg *configs.Config, log *slog.Logger) *membership {
	if !hasMembers(cfg) {
		return nil
	}
	m := &membership{log: log, ttl: max(cfg.Auth.Members.CacheTTL, time.Second).String()}
	if t, err := provision.ParseTable(cfg.Auth.Members.Table); err == nil {
		m.table = pipeline.MembersTable{
			Schema: t.Schema, Name: t.Name,
			UserColumn: cfg.Auth.Members.UserColumn, WorkspaceColumn: cfg.Auth.Members.WorkspaceColumn,
		}
	}
	if cfg.Source.Kind == configs.KindRealtime {
		m.say(false, "source.kind is realtime")
	}
	return m
}

// inspected takes from an inspection whether the stream has the table's changes.
func (m *membership) inspected(report *provision.Report) {
	if m == nil {
		return
	}
	table := provision.Table{Schema: m.table.Schema, Name: m.table.Name}
	is := report.Follows(table, m.table.UserColumn, m.table.WorkspaceColumn)
	m.published.Store(is)
	remedy := "the publication leaves out a part of it"
	if f, found := report.Find("publication.offer", table.String()); found && f.Fix != "" {
		remedy = f.What + ": " + f.Fix
	}
	m.say(is, remedy)
}

// say logs once whether changes of memberships are followed, and again when that
// changes.
func (m *membership) say(is bool, why string) {
	if m.logged != nil && *m.logged == is {
		return
	}
	m.logged = &is
	if is {
		m.log.Info("the table of members is followed: who is removed from a workspace is disconnected at once", "table", m.table.Name)
		return
	}
	m.log.Warn("the table of members is not followed: who is removed from a workspace is disconnected after a while", "table", m.table.Name, "within", m.ttl, "why", why)
}
