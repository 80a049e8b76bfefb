// Package logging makes the daemon's slog.Logger: what a line looks like,
// where it goes, and what keeps it worth reading.
//
// A line is text on a terminal and JSON elsewhere. Its message is the event's
// name: a constant, with everything that varies in attributes; JSON lines
// carry it once more as `event`, in the form of an identifier
// (refused_a_client), for filters and alerts. Where standard error is
// journald's, each line begins with its priority (sd-daemon(3)), so that
// journalctl -p works.
//
// A warning or error that repeats is written once; its repetitions are counted
// and the count is written once a minute, and when it has stopped, a line says
// so (event "recovered"). Information is thinned the same way after ten equal
// lines.
//
// Nothing that looks like a token or a password leaves, in whatever attribute
// or error text it hides, and attributes named like message content are
// masked. That is the last line of defence; code does not log them in the
// first place.
//
// Log is safe for concurrent use. Run notices that a fault has stopped and must
// be joined before the end; without it that is noticed by the next repetition.
package logging
