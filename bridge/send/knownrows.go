package send

import (
	"strings"
	"sync"
)

// maxKnownRows bounds the rows that are remembered: the newest.
const maxKnownRows = 10_000

// knownRows are the rows with a client's id, by workspace and the row's key, and by the
// client's id: for rows whose columns do not tell it any more. The zero value is empty; it is
// safe for concurrent use.
type knownRows struct {
	mu   sync.Mutex
	rows map[rowKey]*knownRow
	ids  map[rowKey]*knownRow // by the client's id: the row that the stream has told last
	keys []rowKey             // in the order in which they came, the oldest at next once there are maxKnownRows
	next int
}

type rowKey struct{ workspace, id string }

// knownRow is a row. What is empty is not known.
type knownRow struct {
	client, row, status        string
	user, conversation, digest string
}

// add notes the row of a record; what became of that is in the journal.
func (k *knownRows) add(r *record) {
	if r.RowID == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(r.Workspace, &knownRow{client: r.ID, row: r.RowID})
}

// put returns what is known of a row, which is new otherwise. mu must be held.
func (k *knownRows) put(workspace string, r *knownRow) *knownRow {
	key := rowKey{workspace, r.row}
	if known := k.rows[key]; known != nil {
		return known
	}
	if k.rows == nil {
		k.rows, k.ids = make(map[rowKey]*knownRow), make(map[rowKey]*knownRow)
	}
	if len(k.keys) < maxKnownRows {
		k.keys = append(k.keys, key)
	} else {
		oldest := k.keys[k.next]
		if id := (rowKey{oldest.workspace, k.rows[oldest].client}); k.ids[id] == k.rows[oldest] {
			delete(k.ids, id)
		}
		delete(k.rows, oldest)
		k.keys[k.next] = key
		k.next = (k.next + 1) % maxKnownRows
	}
	k.rows[key] = r
	return r
}

// seen notes what the stream tells of a row with a client's id.
func (k *knownRows) seen(workspace string, r knownRow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.put(workspace, &r)
	if order[r.status] >= order[known.status] {
		known.status = r.status
	}
	known.user, known.conversation, known.digest = r.user, r.conversation, r.digest
	if known.client == r.client {
		k.ids[rowKey{workspace, r.client}] = known
	}
}

// tell notes the status of a row, if it is known.
func (k *knownRows) tell(workspace, row, status string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.rows[rowKey{workspace, row}]; known != nil && order[status] >= order[known.status] {
		known.status = status
	}
}

// of returns the client's id of a row.
func (k *knownRows) of(workspace, row string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.rows[rowKey{workspace, row}]; known != nil {
		return known.client
	}
	return ""
}

// find returns the row that the stream has told of a client's id.
func (k *knownRows) find(workspace, client string) (knownRow, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.ids[rowKey{workspace, client}]; known != nil {
		return *known, true
	}
	return knownRow{}, false
}

// status returns what the stream has told of a row, "" for nothing.
func (k *knownRows) status(workspace, row string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known := k.rows[rowKey{workspace, row}]; known != nil {
		return known.status
	}
	return ""
}

// isOf tells whether the row may be a request's: as far as it tells whose it is, of which
// conversation, and what stands in it.
func (r *knownRow) isOf(x *Sending) bool {
	return (r.user == "" || sameID(r.user, x.request.User)) && sameID(r.conversation, x.request.Conversation) && r.digest == digest(x.request.Content)
}

// sameID compares ids, a UUID as the database does.
func sameID(a, b string) bool { return foldUUID(a) == foldUUID(b) }

// foldUUID returns a UUID in small letters, and any other text as it is.
func foldUUID(id string) string {
	if IsUUID(id) {
		return strings.ToLower(id)
	}
	return id
}

// IsUUID tells whether a text has the form of a UUID, as Postgres writes it, in letters of any case.
func IsUUID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)):
			return false
		}
	}
	return true
}

// ClientID returns the client's id of a message by its row's key, as far as the stream has
// told it, or the message was sent or passed here, lately; "" for none.
func (s *Sender) ClientID(workspace, row string) string { return s.rows.of(workspace, row) }
