package ledgerfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"chatbridge/internal/durable"
)

// format is the version of what is in the file.
const format = "1"

// The bucket of what holds for all rows and its keys. A table's bucket has its name
// behind tablePrefix.
var (
	metaBucket  = []byte("meta")
	formatKey   = []byte("format")
	identityKey = []byte("identity")
	headerKey   = []byte("header")
)

const tablePrefix = "table "

// fileKind marks the file.
var fileKind = durable.Kind{Name: "ledger", Buckets: func(names []string) bool {
	tables := 0
	for _, name := range names {
		if strings.HasPrefix(name, tablePrefix) {
			tables++
		} else if name != string(metaBucket) {
			return false
		}
	}
	return tables > 0
}}

// Recognise returns an error that is durable.ErrForeign where the file at a path is no ledger,
// and is not to be replaced by one.
func Recognise(path string) error { return fileKind.Recognise(path) }

func tableBucket(table string) []byte { return []byte(tablePrefix + table) }

// Why a file is not used.
var (
	errDamaged  = errors.New("it is damaged")
	errFormat   = errors.New("it was written by another version of the bridge")
	errIdentity = errors.New("it is of another database or of another mapping")
	errNoFile   = errors.New("it is no regular file")
	errFull     = errors.New("the file has grown to its bound")
)

// store is an open database.
type store struct {
	db     *bolt.DB
	opener durable.Opener
	path   string
}

// guard turns a fault of a damaged file into an error.
func guard(fn func() error) error { return durable.Guard(errDamaged, fn) }

// openStore opens the database of a path: an existing one for reading, or a new one.
func openStore(path string, readOnly bool, maxBytes int64) (*store, error) {
	s := &store{path: path}
	o := &bolt.Options{
		ReadOnly: readOnly, Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoStatistics: true,
		OpenFile: s.opener.Open,
	}
	if !readOnly {
		o.MaxSize = int(maxBytes)
	}
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, o)
		return err
	})
	if err != nil {
		s.opener.LetGo() // of what a panic left open
		return nil, err
	}
	// By default a large file grows by 16 MiB at a time.
	s.db.AllocSize = int(max(maxBytes/128, 1<<16))
	return s, nil
}

// close closes the database. One that has shown to be damaged keeps its mapping, since
// its locks may be held for good.
func (s *store) close(damaged bool) error {
	if damaged {
		s.opener.LetGo()
		return nil
	}
	return guard(s.db.Close)
}

// size is the length of the file.
func (s *store) size() int64 {
	info, err := s.opener.File.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// begin writes what a new database has to have.
func (s *store) begin(identity string, tables []string) error {
	return s.update(func(tx *bolt.Tx) error {
		for _, t := range tables {
			if _, err := tx.CreateBucketIfNotExists(tableBucket(t)); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		return errors.Join(fileKind.Mark(tx), meta.Put(formatKey, []byte(format)), meta.Put(identityKey, []byte(identity)))
	})
}

func (s *store) update(fn func(*bolt.Tx) error) error {
	err := guard(func() error { return s.db.Update(fn) })
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return errFull
	}
	return err
}

// record is a row to be written; without a value it is deleted.
type record struct {
	table string
	key   string
	value []byte // with its checksum
}

// write writes records and the header, and returns by how many rows there are more.
// fill is the part of a page that is filled, 0 for the usual one.
func (s *store) write(records []record, header []byte, fill float64) (more int, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		more = 0
		for i := range records {
			r := &records[i]
			b := tx.Bucket(tableBucket(r.table))
			if fill > 0 {
				b.FillPercent = fill
			}
			key := []byte(r.key)
			had := b.Get(key) != nil
			switch {
			case r.value == nil && had:
				more--
				if err := b.Delete(key); err != nil {
					return err
				}
			case r.value != nil:
				if !had {
					more++
				}
				if err := b.Put(key, r.value); err != nil {
					return err
				}
			}
		}
		return tx.Bucket(metaBucket).Put(headerKey, seal(headerKey, header))
	})
	return more, err
}

// read calls fn with all rows of the tables, after all of them were found to be whole.
// What fn is given is valid until it returns; fn must not panic.
func (s *store) read(identity string, tables []string, fn func(table, key string, row []byte)) (header []byte, err error) {
	err = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			if err := fileKind.Check(tx); err != nil {
				return err
			}
			meta := tx.Bucket(metaBucket)
			switch {
			case meta == nil:
				return fmt.Errorf("%w: nothing in it is of a bridge", errDamaged)
			case string(meta.Get(formatKey)) != format:
				return errFormat
			case string(meta.Get(identityKey)) != identity:
				return errIdentity
			}
			text, ok := open(headerKey, meta.Get(headerKey))
			if !ok {
				return fmt.Errorf("%w: its header has another checksum", errDamaged)
			}
			header = bytes.Clone(text)
			return readRows(tx, tables, func(string, []byte, []byte) {})
		})
	})
	if err != nil {
		return nil, err
	}
	return header, guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			return readRows(tx, tables, func(table string, key, row []byte) { fn(table, string(key), row) })
		})
	})
}

func readRows(tx *bolt.Tx, tables []string, fn func(table string, key, row []byte)) error {
	for _, t := range tables {
		b := tx.Bucket(tableBucket(t))
		if b == nil {
			continue // it was not followed then
		}
		if err := b.ForEach(func(k, v []byte) error {
			row, ok := open(k, v)
			if !ok {
				return fmt.Errorf("%w: a row of %s has another checksum", errDamaged, t)
			}
			fn(t, k, row)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumLen is the length of a checksum.
const sumLen = 4

// seal puts the checksum of a key and its value before the value.
func seal(key, value []byte) []byte {
	return append(appendSum(nil, key, value), value...)
}

func appendSum(dst, key, value []byte) []byte {
	return binary.LittleEndian.AppendUint32(dst, crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value))
}

// open returns a sealed value.
func open(key, sealed []byte) (value []byte, ok bool) {
	if len(sealed) < sumLen {
		return nil, false
	}
	value = sealed[sumLen:]
	return value, bytes.Equal(appendSum(nil, key, value), sealed[:sumLen])
}
