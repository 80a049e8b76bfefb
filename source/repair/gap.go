package repair

import (
	"log/slog"
	"strings"
	"time"

	"chatbridge/source"
)

// Gap implements source.Handler: it reads back what was lost. The next handler is told
// first that this follows, so that it drops what it remembers, and at the end which part
// of the gap remains.
func (h *handler) Gap(g source.Gap) error {
	h.abandon()
	if g.Workspace != "" {
		return h.next.Gap(g)
	}
	h.takenOver(g.Until)
	if g.Since.IsZero() || g.Resume == 0 {
		h.remains(rest{reasons: []string{"it is not known since when"}}, g)
		return h.next.Gap(g)
	}
	h.r.reading.Store(true)
	defer h.r.reading.Store(false)
	announced := g
	announced.ReadBack = true
	if err := h.next.Gap(announced); err != nil {
		return err
	}
	began, before := time.Now(), h.r.rows.Load()
	rd := &reading{h: h, gap: g}
	if err := rd.run(); err != nil {
		return err
	}
	attrs := []any{
		slog.String("reason", g.Reason), slog.Time("since", g.Since), slog.Time("until", g.Until),
		slog.Uint64("rows", h.r.rows.Load()-before), slog.Duration("took", time.Since(began)),
	}
	if len(rd.rest.reasons) == 0 {
		h.r.healed.Add(1)
		h.r.opts.Logger.Info("what the source lost was read back from the tables", attrs...)
		return nil
	}
	why := h.remains(rd.rest, g)
	h.r.opts.Logger.Warn("what the source lost was read back from the tables, but for a part", append(attrs, slog.String("remains", why))...)
	if g.Reload {
		return nil // the next handler was told already that clients are to reload
	}
	g.Reason += "; read back from the tables but for this: " + why
	g.Since, g.Until = rd.rest.since, rd.rest.until
	return h.next.Gap(g)
}

// remains notes that a part of a gap remains, and returns why.
func (h *handler) remains(r rest, g source.Gap) string {
	h.r.remaining.Add(1)
	why := strings.Join(r.reasons, "; ")
	h.r.mu.Lock()
	h.r.lastError = why
	h.r.mu.Unlock()
	// Rows of the gap may not be known though they were inserted after others that are.
	for _, t := range h.r.tables {
		t.digests.KnowSince(g.Until.UnixMicro())
	}
	return why
}

// rest is what remains of a gap.
type rest struct {
	reasons      []string
	since, until time.Time
}

func (r *rest) add(reason string, since, until time.Time) {
	if len(r.reasons) == 0 || since.Before(r.since) {
		r.since = since
	}
	if until.After(r.until) {
		r.until = until
	}
	r.reasons = append(r.reasons, reason)
}
