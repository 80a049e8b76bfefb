// Package logging makes the daemon's slog.Logger: the form of a line, where it
// is written, and how often.
//
// A line is text on a terminal and JSON elsewhere. Its message is the event's
// name: a constant, with everything that varies in attributes. JSON lines have
// the name also as attribute `event`, in the form of an identifier
// (refused_a_client), for filters and alerts. If standard error is connected to
// journald, each line begins with its priority (sd-daemon(3)), so that
// journalctl -p works.
//
// A warning or error that repeats is written once a minute, with the count of the
// repetitions that were not written; when it has stopped, event "recovered" is
// written. Information is limited the same way, to ten equal lines a minute. Some
// lines are logged only once about each subject, such as another bridge, a setting
// or an origin: they repeat only lines about the same subject, and "recovered" is
// never written for them. Lines that answer an operator (Answer) are always written.
//
// Everything that looks like a token or a password is masked in every attribute
// and error text, and so are attributes with names such as content or body. That
// is the last line of defence: code does not log secrets and message content in
// the first place.
//
// The files:
//
//	log.go       Log: options, level, the choice of the format, journald or not
//	handler.go   the slog.Handler in front of repeats and output
//	repeats.go   repetitions: which are written, and which only counted
//	identity.go  which lines are repetitions of each other
//	output.go    a record becomes a line: format, event name, priority
//	redact.go    what is masked
//	run.go       Run and the counters
//	library.go   a logger for libraries that write lines of text, such as net/http
//	journal_*.go the identity of a file, by which journald's stream is recognised
//
// Log is safe for concurrent use. The caller runs Run in one goroutine and joins it
// before the end; without Run, it is noticed only at the next repetition that a line
// had stopped. The mutex of repeats is held while a line above debug is written, except
// an Answer, so that lines and counts stay in order. The mutex of lines, locked after
// it, is held for one Write. The package imports no other of the module.
package logging
