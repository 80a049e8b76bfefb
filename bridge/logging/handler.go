package logging

import (
	"context"
	"log/slog"
)

// handler is the slog.Handler of a Log: it suppresses repetitions and passes
// the rest to the output.
type handler struct {
	out     *output
	repeats *repeats
	// prefix is what Logger.With added, as part of a line's identity.
	prefix string
}

// Answer returns a context for lines that answer an operator's action: each is written,
// even if an equal line was written a moment before.
func Answer(ctx context.Context) context.Context {
	return context.WithValue(ctx, answerKey{}, true)
}

// answerKey is the key of Answer's value.
type answerKey struct{}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return h.out.enabled(l) }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if ctx.Value(answerKey{}) != nil {
		return h.repeats.write(h.out, r)
	}
	return h.repeats.handle(h.out, h.prefix, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	prefix := h.prefix
	for _, a := range attrs {
		prefix += "\x00" + a.String()
	}
	return &handler{h.out.with(func(out slog.Handler) slog.Handler { return out.WithAttrs(attrs) }), h.repeats, prefix}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{
		h.out.with(func(out slog.Handler) slog.Handler { return out.WithGroup(name) }),
		h.repeats, h.prefix + "\x00" + name,
	}
}
