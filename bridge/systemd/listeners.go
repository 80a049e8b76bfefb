package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listeners are the sockets that the manager passed to this process. The manager
// keeps them open: connections that no process accepts yet wait in the kernel's
// backlog, so a restart refuses none. Not for concurrent use.
type Listeners struct {
	names []string
	taken []bool
	all   []net.Listener
}

// Inherit takes over the sockets of $LISTEN_FDS and unsets the variables, so
// that no child process uses them. Call it once, before anything else opens
// files; a second call finds nothing. Without such sockets the Listeners are
// empty.
func Inherit() (*Listeners, error) {
	l := &Listeners{}
	var errs []error
	for _, f := range activation.Files(true) {
		ln, err := net.FileListener(f) // a duplicate: f is not needed after it
		if err != nil {
			err = fmt.Errorf("take over socket %s from systemd (only ListenStream= will do): %w", f.Name(), err)
		}
		if err = errors.Join(err, closeFile(f)); err != nil {
			errs = append(errs, err)
			continue
		}
		l.names, l.all, l.taken = append(l.names, f.Name()), append(l.all, ln), append(l.taken, false)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func closeFile(f *os.File) error {
	if err := f.Close(); err != nil {
		return fmt.Errorf("close inherited descriptor: %w", err)
	}
	return nil
}

// Take returns the first socket that was not taken yet with one of the names
// (FileDescriptorName= of the socket unit; the unit's own name where that is
// not set), or nil. The caller closes it.
func (l *Listeners) Take(names ...string) net.Listener {
	for i, name := range l.names {
		if !l.taken[i] && slices.Contains(names, name) {
			l.taken[i] = true
			return l.all[i]
		}
	}
	return nil
}

// Left returns the names of the sockets that were not taken.
func (l *Listeners) Left() []string {
	var names []string
	for i, name := range l.names {
		if !l.taken[i] {
			names = append(names, name)
		}
	}
	return names
}

// Close closes the sockets that were not taken.
func (l *Listeners) Close() error {
	var errs []error
	for i, ln := range l.all {
		if !l.taken[i] {
			l.taken[i] = true
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}
