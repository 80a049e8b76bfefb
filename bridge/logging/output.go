package logging

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// output writes records as lines; with Options.Journal each level's writer adds its
// priority. Copies that the method with makes share the writers.
type output struct {
	byLevel [levels]slog.Handler
	level   *slog.LevelVar
	// named adds the event's name, for programs that parse the line.
	named bool
}

// The levels by which lines get a priority and are counted.
const (
	levelDebug = iota
	levelInfo
	levelWarn
	levelError
	levels
)

func levelOf(l slog.Level) int {
	switch {
	case l < slog.LevelInfo:
		return levelDebug
	case l < slog.LevelWarn:
		return levelInfo
	case l < slog.LevelError:
		return levelWarn
	}
	return levelError
}

// priorities are those of syslog(3): debug, info, warning, err.
var priorities = [levels]string{"<7>", "<6>", "<4>", "<3>"}

func newOutput(w io.Writer, o Options, level *slog.LevelVar) *output {
	out := &output{level: level, named: o.Format != Text}
	shared := &lines{w: w}
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: redact}
	for i := range out.byLevel {
		var to io.Writer = shared
		if o.Journal {
			to = &prefixed{prefix: priorities[i], lines: shared}
		}
		if o.Format == Text {
			out.byLevel[i] = slog.NewTextHandler(to, options)
		} else {
			out.byLevel[i] = slog.NewJSONHandler(to, options)
		}
	}
	return out
}

// with applies f, a WithAttrs or WithGroup, to the handlers of all levels.
func (o *output) with(f func(slog.Handler) slog.Handler) *output {
	copied := *o
	for i, h := range o.byLevel {
		copied.byLevel[i] = f(h)
	}
	return &copied
}

func (o *output) enabled(l slog.Level) bool { return l >= o.level.Level() }

func (o *output) write(r slog.Record) error {
	if o.named {
		addName(&r)
	}
	return o.byLevel[levelOf(r.Level)].Handle(context.Background(), r)
}

// eventKey is the attribute that names the event.
const eventKey = "event"

// addName adds the event's name, unless the record has the attribute already.
func addName(r *slog.Record) {
	named := false
	r.Attrs(func(a slog.Attr) bool {
		named = a.Key == eventKey
		return !named
	})
	if !named {
		*r = r.Clone()
		r.AddAttrs(slog.String(eventKey, Name(r.Message)))
	}
}

// Name makes an identifier of a constant message, up to its first semicolon or colon,
// after which messages describe the consequence: lower case, without apostrophes, and
// with a _ for each other run of anything but letters and digits.
func Name(message string) string {
	if i := strings.IndexAny(message, ";:"); i >= 0 {
		message = message[:i]
	}
	name := make([]byte, 0, len(message))
	for i := range len(message) {
		c := message[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '\'':
			continue // client's
		default:
			c = '_'
		}
		if c != '_' || len(name) > 0 && name[len(name)-1] != '_' {
			name = append(name, c)
		}
	}
	for len(name) > 0 && name[len(name)-1] == '_' {
		name = name[:len(name)-1]
	}
	return string(name)
}

// lines serializes the writes of several handlers.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// prefixed puts a prefix before each line. buf needs no lock: a slog handler and those
// derived from it write each line with one call, one at a time.
type prefixed struct {
	prefix string
	lines  *lines
	buf    []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.buf = append(append(p.buf[:0], p.prefix...), b...)
	if _, err := p.lines.Write(p.buf); err != nil {
		return 0, err
	}
	return len(b), nil
}
