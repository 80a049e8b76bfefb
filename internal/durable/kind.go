package durable

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Kind is what the bridge keeps in a bbolt file. Each file is marked with its kind, so that
// neither another program's nor one of another kind is written to.
type Kind struct {
	// Name is written into the file.
	Name string
	// Buckets reports whether a file without a mark, as earlier versions made them, is of
	// this kind: by the names of all its buckets, of which there is one at least.
	Buckets func(names []string) bool
}

// The bucket and the key of the mark.
var (
	markBucket = []byte("chatbridge")
	kindKey    = []byte("kind")
)

// Check returns nil for a database that is of this kind or has nothing in it, and an error
// that is [ErrForeign] for any other.
func (k Kind) Check(tx *bbolt.Tx) error {
	if mark := tx.Bucket(markBucket); mark != nil && mark.Get(kindKey) != nil {
		if kind := string(mark.Get(kindKey)); kind != k.Name {
			return fmt.Errorf("%w: it is the bridge's for another purpose, %q", ErrForeign, kind)
		}
		return nil
	}
	var names []string
	err := tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		names = append(names, string(name))
		return nil
	})
	if err == nil && len(names) > 0 && !k.Buckets(names) {
		return ErrForeign
	}
	return err
}

// Mark marks a database that Check has found to be of this kind.
func (k Kind) Mark(tx *bbolt.Tx) error {
	mark, err := tx.CreateBucketIfNotExists(markBucket)
	if err != nil || string(mark.Get(kindKey)) == k.Name {
		return err
	}
	return mark.Put(kindKey, []byte(k.Name))
}

// lookWait is how long Recognise waits for who has the file: as good as not at all.
const lookWait = time.Millisecond

// errUnreadable: whose a file is cannot be seen.
var errUnreadable = errors.New("its buckets cannot be read")

// Recognise is the function of this name, and reads the buckets too. It changes nothing. Of
// a file that another process has open, or that is damaged, it returns nil: who opens it for
// writing calls Check.
func (k Kind) Recognise(path string) error {
	head, err := readHead(path, maxPage+minBoltLen)
	if err == nil {
		err = Recognise(path)
	}
	if err != nil || len(head) == 0 {
		return err
	}
	opener := new(Opener)
	err = Guard(errUnreadable, func() error {
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true, Timeout: lookWait, OpenFile: opener.Open})
		if err != nil {
			return err
		}
		return errors.Join(db.View(k.Check), db.Close())
	})
	if errors.Is(err, ErrForeign) {
		return err
	}
	if err != nil {
		opener.LetGo()
	}
	return nil
}
