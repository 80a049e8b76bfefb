package handover

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"chatbridge/internal/durable"
)

// The file has one line for each change, in order, each with a sum:
//
//	<CRC-32> <mark> <microseconds since 1970> [<private id, quoted>]
//
// Whatever is lost of its end, what is left was true at the last stamp in it: a client
// that was connected then was cut later. So it is read up to the first line that is
// damaged, and need not reach the disk at once.
const (
	markConnected = 'c' // the time is since when it is owed what it missed, 0 for nothing
	markLeft      = 'l'
	markStamp     = 's' // up to then all changes are in the file
)

const (
	// stampInterval is how often the changes and a stamp are written: by so much more a
	// client is caught up on after a crash.
	stampInterval = 2 * time.Second
	// maxPending bounds what waits to be written, in bytes; past it the file is written
	// anew.
	maxPending = 4 << 20
	// maxFileLine and maxFile bound what is read, in bytes. minRewrite is from which size
	// on a file is written anew that has grown to twice what it had.
	maxFileLine = 64 + 6*maxDeparture
	maxFile     = 128 << 20
	minRewrite  = 1 << 20
)

// departureFile is where departures are kept. It belongs to the goroutine of write.
type departureFile struct {
	path string
	log  *slog.Logger

	f           *os.File // nil: it is to be written anew
	size, wrote int64    // as it is, and as it was when it was written anew
	failing     bool
}

// appendMark appends a line of the file.
func appendMark(out []byte, mark byte, at time.Time, pid string) []byte {
	us := int64(0)
	if !at.IsZero() {
		us = max(at.UnixMicro(), 1)
	}
	line := strconv.AppendInt([]byte{mark, ' '}, us, 10)
	if mark != markStamp {
		line = strconv.AppendQuoteToASCII(append(line, ' '), pid)
	}
	return fmt.Appendf(out, "%08x %s\n", crc32.ChecksumIEEE(line), line)
}

// parseMark is the reverse of appendMark, of a line without its end.
func parseMark(text []byte) (mark byte, at time.Time, pid string, ok bool) {
	sum, line, _ := bytes.Cut(text, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.ChecksumIEEE(line) || len(line) < 3 {
		return 0, time.Time{}, "", false
	}
	digits, quoted, _ := bytes.Cut(line[2:], []byte(" "))
	us, err := strconv.ParseInt(string(digits), 10, 64)
	if us > 0 {
		at = time.UnixMicro(us)
	}
	if mark = line[0]; mark != markStamp && err == nil {
		pid, err = strconv.Unquote(string(quoted))
	}
	return mark, at, pid, err == nil
}

// markStart is how a line begins.
var markStart = regexp.MustCompile(`^[0-9a-f]{8} [cls] -?[0-9]`)

// LooksLikeDepartures reports whether a text may be the beginning of a file of departures, that
// is perhaps damaged: it begins as a line does, or has one that is whole.
func LooksLikeDepartures(head []byte) bool {
	if short := "00000000 c 0"; len(head) < len(short) {
		head = append(bytes.Clone(head), short[len(head):]...)
	}
	if markStart.Match(head) {
		return true
	}
	for line := range bytes.Lines(head) {
		if _, _, _, ok := parseMark(bytes.TrimSuffix(line, []byte("\n"))); ok {
			return true
		}
	}
	return false
}

// recognise returns an error for what is no file of departures, and is not to be replaced.
func (f *departureFile) recognise() error {
	err := durable.RecogniseText(f.path, LooksLikeDepartures)
	if errors.Is(err, durable.ErrForeign) {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil // what else is wrong is found by who reads or writes it
}

// load reads what an earlier process kept. Clients that it had when it ended count as cut
// at its last stamp.
func (d *departures) load(file *departureFile) {
	d.rewrite = true
	if file.recognise() != nil {
		return // write says it
	}
	stamp, err := d.read(file.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		file.log.Warn("not all that was kept of when clients left ChatEngine can be read; the others are caught up since they came to it", "file", file.path, "error", err)
	}
	back := stamp.After(time.Now().Add(unnoticed)) // by how much the clock was set back is not known
	for pid, c := range d.clients {
		switch {
		case back:
			d.leave(pid, Unknown)
		case !c.left.IsZero():
		case stamp.IsZero():
			delete(d.clients, pid)
		case !c.owed.IsZero() && c.owed.Before(stamp):
			d.leave(pid, c.owed)
		default:
			d.leave(pid, stamp)
		}
	}
}

// read reads a file up to its end or the first line that is damaged, and returns the last
// stamp.
func (d *departures) read(path string) (stamp time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(io.LimitReader(f, maxFile), maxFileLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return stamp, nil
		}
		mark, at, pid, ok := parseMark(bytes.TrimSuffix(line, []byte("\n")))
		switch {
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return stamp, err
		case err != nil || !ok:
			return stamp, errors.New("a line is damaged")
		case mark == markStamp:
			stamp = at
		case mark == markConnected:
			d.clients[pid] = departure{owed: at}
		case mark == markLeft:
			d.leave(pid, at)
		}
	}
}

// note puts a change aside for the file; mu is held.
func (d *departures) note(mark byte, at time.Time, pid string) {
	if d.file == nil || d.rewrite {
		return
	}
	if d.pending = appendMark(d.pending, mark, at, pid); len(d.pending) > maxPending {
		d.pending, d.rewrite = nil, true
	}
}

// run writes the file until ctx ends, and then what is left.
func (d *departures) run(ctx context.Context) {
	if d.file == nil {
		return
	}
	defer d.file.close()
	tick := time.NewTicker(stampInterval)
	defer tick.Stop()
	for before := time.Now(); ; {
		now := time.Now()
		// Round(0) strips the monotonic reading.
		if back := now.Sub(before) - now.Round(0).Sub(before.Round(0)); back > time.Second {
			d.setBack(back)
		}
		before = now
		d.write(now)
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// write brings the file up to date. It is for one goroutine at a time.
func (d *departures) write(now time.Time) {
	f := d.file
	d.mu.Lock()
	rewrite := d.rewrite || f.f == nil || f.size > max(2*f.wrote, minRewrite)
	out := d.pending
	d.pending, d.rewrite = nil, false
	if rewrite {
		out = d.snapshot()
	}
	here := d.here
	d.mu.Unlock()
	if len(out) == 0 && here == 0 && !rewrite {
		return
	}
	out = appendMark(out, markStamp, now, "")
	err := f.append(out, rewrite)
	if err != nil {
		f.close()
		if !f.failing {
			f.log.Warn("when clients left ChatEngine cannot be kept; after a restart they are caught up on more than they missed", "file", f.path, "error", err,
				"remedy", "set replay.state_file to a path in a directory that the bridge may write to, where no other program has a file of that name with -departures at its end")
		}
	}
	f.failing = err != nil
}

// snapshot are the lines of all that is known; mu is held.
func (d *departures) snapshot() []byte {
	var out []byte
	for _, o := range d.order {
		if c := d.clients[o.pid]; c.number == o.number {
			out = appendMark(out, markLeft, c.left, o.pid)
		}
	}
	for pid, c := range d.clients {
		if c.left.IsZero() {
			out = appendMark(out, markConnected, c.owed, pid)
		}
	}
	return out
}

// append adds lines to the file, or replaces it by them.
func (f *departureFile) append(lines []byte, replace bool) error {
	if !replace {
		n, err := f.f.Write(lines)
		f.size += int64(n)
		return err
	}
	f.close()
	if err := f.recognise(); err != nil {
		return err
	}
	// It is of this mode (0600): whoever knows a private id may claim it.
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".departures-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // after the rename there is none
	if _, err = tmp.Write(lines); err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, tmp.Close())
	}
	f.f, f.size, f.wrote = tmp, int64(len(lines)), int64(len(lines))
	return nil
}

// close closes the file; it is written anew then.
func (f *departureFile) close() {
	if f.f != nil {
		f.f.Close() // what it lost is written again
		f.f = nil
	}
}
