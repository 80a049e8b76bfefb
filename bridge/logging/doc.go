// Package logging makes the daemon's slog.Logger: the form of a line, where it
// is written, and how often.
//
// A line is text on a terminal and JSON elsewhere. Its message is the event's
// name: a constant, with everything that varies in attributes; JSON lines
// carry it once more as `event`, in the form of an identifier
// (refused_a_client), for filters and alerts. Where standard error is
// journald's, each line begins with its priority (sd-daemon(3)), so that
// journalctl -p works.
//
// A warning or error that repeats is written once; its repetitions are counted
// and the count is written once a minute, and when it has stopped, event
// "recovered" is written. What is told once of each subject (another bridge, a setting, an
// origin and the like) is kept apart by those, and silence about it is no recovery.
// Information is limited the same way to ten equal lines a minute. What answers to an operator (Answer) is written each time.
//
// Everything that looks like a token or a password is masked, in whatever
// attribute or error text it occurs, and so are attributes named like message
// content. That is the last line of defence; code does not log them in the
// first place.
//
// The files:
//
//	log.go       Log: options, level, the choice of the format, journald or not
//	handler.go   the slog.Handler in front of repeats and output
//	repeats.go   repetitions: what is written, what is only counted
//	identity.go  which lines are repetitions of each other
//	output.go    a record becomes a line: format, event name, priority
//	redact.go    what is masked
//	run.go       Run and the counters
//	library.go   a logger for libraries that write lines of text, such as net/http
//	journal_*.go the identity of a file, by which journald's stream is recognised
//
// Log is safe for concurrent use. The caller runs Run in one goroutine and joins
// it before the end; without Run, the end of a repetition is noticed only at the
// next one. The mutex of repeats is held while a line above debug is written, so that it
// and its count stay in order; the mutex of lines, locked after it, is held for one
// Write. The package imports no other of the module.
package logging
