package logging

import (
	"io"
	"log/slog"
	"os"
	"time"
)

// The values of Options.Format.
const (
	Text = "text"
	JSON = "json"
)

// Options configures a Log.
type Options struct {
	// Level is the lowest level that is written. SetLevel changes it.
	Level slog.Level
	// Format is Text or JSON; any other value means JSON.
	Format string
	// Journal puts each line's priority in front, for journald, which removes it.
	Journal bool
	// Interval is how often the count of repetitions is written, and the time
	// without a repetition after which a fault is over. Zero means one minute;
	// with a negative Interval nothing is suppressed.
	Interval time.Duration
}

// Log writes all log lines of the process. It is safe for concurrent use.
type Log struct {
	level   slog.LevelVar
	logger  *slog.Logger
	repeats *repeats
}

// New returns a Log that writes each line to w with one Write.
func New(w io.Writer, o Options) *Log {
	if o.Interval == 0 {
		o.Interval = time.Minute
	}
	l := &Log{repeats: newRepeats(o.Interval)}
	l.level.Set(o.Level)
	l.logger = slog.New(&handler{out: newOutput(w, o, &l.level), repeats: l.repeats})
	return l
}

// Logger returns the slog.Logger that writes to l.
func (l *Log) Logger() *slog.Logger { return l.logger }

// SetLevel changes the lowest level that is written.
func (l *Log) SetLevel(level slog.Level) { l.level.Set(level) }

// Format returns the format for a setting: Text and JSON as they are, for
// anything else (`auto`) Text on a terminal and JSON otherwise.
func Format(setting string, terminal bool) string {
	switch {
	case setting == Text || setting == JSON:
		return setting
	case terminal:
		return Text
	}
	return JSON
}

// IsJournal reports whether f is connected to journald: stream is the value of
// $JOURNAL_STREAM, which names the device and inode of the stream that systemd
// connected (systemd.exec(5)). A descendant whose output was redirected still
// has the variable, hence the comparison.
func IsJournal(f *os.File, stream string) bool {
	id, ok := fileID(f)
	return ok && id == stream
}
