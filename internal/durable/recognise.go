package durable

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// ErrForeign is a file that the bridge did not make: it is left alone.
var ErrForeign = errors.New("it is no file of the bridge's, which leaves it as it is")

// boltMagic is in the first two pages of a bbolt file, behind a page's header.
const (
	boltMagic  = 0xED0CDAED
	magicAt    = 16
	maxPage    = 64 << 10
	minBoltLen = magicAt + 4
)

// Recognise tells whether a path may be taken for a bbolt file of the bridge's that is
// damaged, so that it may be moved away and replaced. It returns nil for one that has bbolt's
// mark on one of its first two pages, is empty, or is not there; ErrForeign for any other, and
// for what is no regular file; else why it cannot be read. It follows symbolic links.
func Recognise(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return ErrForeign
	case info.Size() == 0:
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, maxPage+minBoltLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	// The size of a page is the system's that made the file: 4 to 64 KiB.
	for at := 0; at <= maxPage; at = max(2*at, 1<<10) {
		if at+minBoltLen <= n && binary.NativeEndian.Uint32(head[at+magicAt:]) == boltMagic {
			return nil
		}
	}
	return ErrForeign
}
