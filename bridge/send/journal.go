package send

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"chatbridge/internal/durable"
)

// KeepFor is for how long a request is known again.
const KeepFor = 24 * time.Hour

const (
	// maxRecords bounds the journal; each has some 400 bytes. Beyond it the oldest goes.
	maxRecords = 250_000
	// pruneBatch is how many old ones go with each new one at most.
	pruneBatch = 16
	// lockTimeout is how long another process may hold the file: one that is ending.
	lockTimeout = time.Second
	// batchDelay is how long a write waits for others that go to the disk with it.
	batchDelay = time.Millisecond
)

// The states of a record.
const (
	// stateWaiting: clients were told of it, and nothing had left. When the file is opened it
	// has failed, and may be sent again.
	stateWaiting = "waiting"
	// stateBegun: it was about to be sent. When the file is opened its outcome is not known.
	stateBegun   = "begun"
	stateSettled = "settled"
)

// record is what is kept of a request: neither its text nor the session.
type record struct {
	State        string    `json:"state"`
	Workspace    string    `json:"workspace"`
	User         string    `json:"user"`
	ID           string    `json:"id"`
	Conversation string    `json:"conversation"`
	Print        string    `json:"print"`
	Created      time.Time `json:"created"`
	Status       string    `json:"status,omitempty"`
	RowID        string    `json:"rowId,omitempty"`
	ExternalID   string    `json:"externalId,omitempty"`
	Fault        *Fault    `json:"fault,omitempty"`
}

// key names a request. In a workspace a client's id is of one user.
type key struct{ workspace, user, id string }

func (r *record) key() key { return key{r.Workspace, r.User, r.ID} }

func (k key) bytes() []byte { return []byte(k.workspace + "\x00" + k.user + "\x00" + k.id) }

// keyOf reads what bytes has written.
func keyOf(text []byte) (k key) {
	workspace, rest, _ := bytes.Cut(text, []byte{0})
	user, id, _ := bytes.Cut(rest, []byte{0})
	return key{string(workspace), string(user), string(id)}
}

// shared is the id in its workspace.
func (k key) shared() []byte { return []byte(k.workspace + "\x00" + k.id) }

// unsettled tells that nobody knows what became of it.
func (r *record) unsettled() bool {
	return r.State == stateBegun || r.Fault != nil && r.Fault.Code == CodeUnknown
}

// journal keeps which requests were begun, and what became of them, in a file: so that
// none is sent twice, also by the next process. Its methods are safe for concurrent use;
// those that write return when it is on the disk.
type journal struct {
	db     *bbolt.DB
	counts atomic.Int64
	final  func(status string) bool
	rows   *knownRows // what is written is known there; nil for nowhere
}

var (
	requestsBucket = []byte("requests")
	timesBucket    = []byte("times")  // by time of creation
	ownersBucket   = []byte("owners") // which user's a client's id is
)

// fileKind marks Options.File.
var fileKind = durable.Kind{Name: "sent", Buckets: func(names []string) bool {
	return slices.Equal(names, []string{string(ownersBucket), string(requestsBucket), string(timesBucket)})
}}

// errPage: bbolt came upon a page that is none.
var errPage = errors.New("a page is none")

// openJournal opens a file, which is made where there is none, and settles what an earlier
// process left open as of unknown outcome, unless a row had told it: final tells of a row's status
// whether it does.
func openJournal(path string, final func(status string) bool) (*journal, error) {
	if err := fileKind.Recognise(path); errors.Is(err, durable.ErrForeign) {
		return nil, fileError(err)
	}
	j := &journal{final: final}
	opener := new(durable.Opener)
	err := durable.Guard(errPage, func() (err error) {
		// The list of free pages is stored: bbolt would otherwise look for them at the next
		// start, in a goroutine of its own, and crash the process where it finds damage.
		j.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, PreLoadFreelist: true, OpenFile: opener.Open})
		if err != nil {
			return err
		}
		j.db.MaxBatchDelay = batchDelay
		if err = j.db.Update(j.prepare); err != nil {
			return errors.Join(err, j.db.Close())
		}
		return nil
	})
	if err != nil {
		opener.LetGo()
		return nil, fileError(err)
	}
	return j, nil
}

// FileError is why Options.File cannot be opened.
type FileError struct {
	Err error
	// Remedy says what to do.
	Remedy string
	// Busy: another process has it.
	Busy bool
}

// Error implements error.
func (e *FileError) Error() string { return "open send.state_file: " + e.Err.Error() + "; " + e.Remedy }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

func fileError(err error) *FileError {
	var path *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return &FileError{errors.New("another process has it"), "end that one, or give each bridge a send.state_file of its own", true}
	case errors.Is(err, durable.ErrForeign):
		return &FileError{Err: err, Remedy: "give send.state_file a path of its own"}
	case errors.As(err, &path):
		return &FileError{Err: err, Remedy: "send.state_file: a path in a directory that the bridge may write to"}
	}
	return &FileError{Err: fmt.Errorf("it is damaged: %w", err), Remedy: "move it aside, and the bridge begins a new one; texts of the last day are not known again then"}
}

// CheckFile looks through a file that may be another process's now. It changes nothing; a
// file that is not there, or empty, is one that will be made. An error is a *FileError.
func CheckFile(path string) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err := fileKind.Recognise(path); errors.Is(err, durable.ErrForeign) {
		return fileError(err)
	}
	opener := new(durable.Opener)
	err := durable.Guard(errPage, func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, PreLoadFreelist: true, ReadOnly: true, OpenFile: opener.Open})
		if err != nil {
			return err
		}
		return errors.Join(db.View(func(tx *bbolt.Tx) error {
			requests := tx.Bucket(requestsBucket)
			if requests == nil { // made, and not written to
				return fileKind.Check(tx)
			}
			return requests.ForEach(func(_, text []byte) error { return json.Unmarshal(text, new(record)) })
		}), db.Close())
	})
	if err != nil {
		opener.LetGo()
		return fileError(err)
	}
	return nil
}

func (j *journal) prepare(tx *bbolt.Tx) error {
	// Another process may have had it when it was looked at.
	if err := errors.Join(fileKind.Check(tx), fileKind.Mark(tx)); err != nil {
		return err
	}
	requests, err := tx.CreateBucketIfNotExists(requestsBucket)
	if err != nil {
		return err
	}
	if _, err := tx.CreateBucketIfNotExists(timesBucket); err != nil {
		return err
	}
	owners, err := tx.CreateBucketIfNotExists(ownersBucket)
	if err != nil {
		return err
	}
	var open []record
	n := int64(0)
	err = requests.ForEach(func(_, text []byte) error {
		n++
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			return err
		}
		if r.State == stateBegun {
			open = append(open, r)
		}
		return own(owners, r.key())
	})
	if err != nil {
		return err
	}
	j.counts.Store(n)
	for _, r := range open {
		r.State = stateSettled
		if r.RowID == "" || r.Status == Failed || !j.final(r.Status) {
			r.Status, r.Fault = Failed, errEnded
		}
		if err := put(requests, &r); err != nil {
			return err
		}
	}
	return nil
}

// errNotBegun is the fault of what was waiting when the process ended.
var errNotBegun = &Fault{CodeUnavailable, "the bridge ended before the message was sent; send it again"}

// errEnded is the fault of what was being sent when the process ended.
var errEnded = &Fault{CodeUnknown, "the bridge ended while the message was being sent; look whether it arrived before you send it again"}

func put(b *bbolt.Bucket, r *record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.Put(r.key().bytes(), text)
}

// own writes down whose an id is: the first user's.
func own(owners *bbolt.Bucket, k key) error {
	if owners.Get(k.shared()) != nil {
		return nil
	}
	return owners.Put(k.shared(), []byte(k.user))
}

// disown forgets that again.
func disown(owners *bbolt.Bucket, k key) error {
	if owner := owners.Get(k.shared()); owner == nil || string(owner) != k.user {
		return nil
	}
	return owners.Delete(k.shared())
}

// find returns the record of a request, nil for none; others tells that the id is another
// user's.
func (j *journal) find(k key) (found *record, others bool, err error) {
	err = j.db.View(func(tx *bbolt.Tx) error {
		owner := tx.Bucket(ownersBucket).Get(k.shared())
		others = owner != nil && string(owner) != k.user
		text := tx.Bucket(requestsBucket).Get(k.bytes())
		if text == nil {
			return nil
		}
		found = new(record)
		return json.Unmarshal(text, found)
	})
	if err != nil {
		return nil, false, fmt.Errorf("read send.state_file: %w", err)
	}
	return found, others, nil
}

// put writes a record, and drops some that are too old.
func (j *journal) put(r *record) error {
	if j.rows != nil {
		j.rows.add(r)
	}
	added := int64(0)
	err := j.db.Batch(func(tx *bbolt.Tx) error {
		requests, times, owners := tx.Bucket(requestsBucket), tx.Bucket(timesBucket), tx.Bucket(ownersBucket)
		added = 0
		k := r.key().bytes()
		if requests.Get(k) == nil {
			added = 1
		}
		if err := put(requests, r); err != nil {
			return err
		}
		if err := times.Put(timeKey(r.Created, k), nil); err != nil {
			return err
		}
		if err := own(owners, r.key()); err != nil {
			return err
		}
		gone, err := prune(requests, times, owners, r.Created.Add(-KeepFor), j.counts.Load()+added-maxRecords)
		added -= gone
		return err
	})
	if err != nil {
		return fmt.Errorf("write send.state_file: %w", err)
	}
	j.counts.Add(added)
	return nil
}

// drop forgets a request of which nothing was sent.
func (j *journal) drop(r *record) error {
	err := j.db.Batch(func(tx *bbolt.Tx) error {
		k := r.key().bytes()
		if err := tx.Bucket(timesBucket).Delete(timeKey(r.Created, k)); err != nil {
			return err
		}
		if err := disown(tx.Bucket(ownersBucket), r.key()); err != nil {
			return err
		}
		return tx.Bucket(requestsBucket).Delete(k)
	})
	if err != nil {
		return fmt.Errorf("write send.state_file: %w", err)
	}
	j.counts.Add(-1)
	return nil
}

// prune deletes records of before a time, and the oldest of those that are too many;
// some at a time.
func prune(requests, times, owners *bbolt.Bucket, before time.Time, tooMany int64) (gone int64, err error) {
	c := times.Cursor()
	for k, _ := c.First(); k != nil && gone < pruneBatch; k, _ = c.First() {
		if keyTime(k).After(before) && gone >= tooMany {
			break
		}
		if err := disown(owners, keyOf(k[8:])); err != nil {
			return gone, err
		}
		if err := requests.Delete(k[8:]); err != nil {
			return gone, err
		}
		if err := c.Delete(); err != nil {
			return gone, err
		}
		gone++
	}
	return gone, nil
}

// since returns the records that were created since a time, the newest n of them.
func (j *journal) since(t time.Time, n int) (found []record, err error) {
	err = j.db.View(func(tx *bbolt.Tx) error {
		requests, c := tx.Bucket(requestsBucket), tx.Bucket(timesBucket).Cursor()
		for k, _ := c.Last(); k != nil && len(found) < n && keyTime(k).After(t); k, _ = c.Prev() {
			text := requests.Get(k[8:])
			if text == nil {
				continue // sent again since
			}
			var r record
			if err := json.Unmarshal(text, &r); err != nil {
				return err
			}
			found = append(found, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read send.state_file: %w", err)
	}
	return found, nil
}

func timeKey(t time.Time, k []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(t.UnixNano())), k...)
}

func keyTime(k []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(k))) }

func (j *journal) close() error { return j.db.Close() }
