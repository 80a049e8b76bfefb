package durable

import (
	"bytes"
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
	zeroed     = 8 << 10 // two pages, as most systems have them
)

// Recognise reports whether a path may be taken for a bbolt file of the bridge's that is
// damaged, so that it may be moved away and replaced. It returns nil for one that has bbolt's
// mark on one of its first two pages, has nothing but zeros there, as a crash of the machine
// leaves it, is empty, or is not there; ErrForeign for any other, and for what is no regular
// file; else why it cannot be read. It follows symbolic links.
func Recognise(path string) error {
	head, err := readHead(path, maxPage+minBoltLen)
	if len(head) == 0 || err != nil {
		return err
	}
	if len(bytes.TrimLeft(head[:min(len(head), zeroed)], "\x00")) == 0 {
		return nil
	}
	// The size of a page is the system's that made the file: 4 to 64 KiB.
	for at := 0; at <= maxPage; at = max(2*at, 1<<10) {
		if at+minBoltLen <= len(head) && binary.NativeEndian.Uint32(head[at+magicAt:]) == boltMagic {
			return nil
		}
	}
	return ErrForeign
}

// maxText is how much of a text file is read, in bytes.
const maxText = 64 << 10

// RecogniseText is Recognise for a file of the bridge's that is no bbolt file: ours judges its
// first 64 KiB. One that has nothing but zeros, as a crash of the machine leaves it, may be
// replaced too.
func RecogniseText(path string, ours func(head []byte) bool) error {
	head, err := readHead(path, maxText)
	if err != nil || len(bytes.TrimLeft(head, "\x00")) == 0 || ours(head) {
		return err
	}
	return ErrForeign
}

// readHead returns the first bytes of a file, none of one that is not there; ErrForeign for
// what is no regular file.
func readHead(path string, size int) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, ErrForeign
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, min(int64(size), info.Size()))
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}
