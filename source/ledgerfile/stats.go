package ledgerfile

import "time"

// Stats is a snapshot of a File.
type Stats struct {
	// Path is the file's, as it was configured.
	Path string
	// Rows and Bytes are the number of rows in the file, and its size.
	Rows  int
	Bytes int64
	// Pending is the number of rows that wait to be written.
	Pending int
	// Written is when the file was last written.
	Written time.Time
	// Writes and Failures count the attempts to write, Rewrites those of the whole
	// file among them.
	Writes, Failures, Rewrites uint64
	// LeftOut is the number of rows that did not fit when the file was last written
	// as a whole.
	LeftOut int
	// Error says why the file is not written now, and what to do; empty while it is.
	Error string
}

// Stats returns a snapshot. Safe for concurrent use.
func (f *File) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Pending = f.waiting
	return s
}
