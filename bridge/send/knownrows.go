package send

import "sync"

// maxKnownRows bounds the rows whose client's ids are remembered: the newest.
const maxKnownRows = 10_000

// knownRows are the client's ids of rows, by workspace and the row's key: for those whose
// columns do not tell any more. The zero value is empty; it is safe for concurrent use.
type knownRows struct {
	mu   sync.Mutex
	ids  map[rowKey]string
	keys []rowKey // in the order in which they came, the oldest at next once there are maxKnownRows
	next int
}

type rowKey struct{ workspace, id string }

func (k *knownRows) add(r *record) {
	if r.RowID == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	key := rowKey{r.Workspace, r.RowID}
	if _, known := k.ids[key]; known {
		return
	}
	if k.ids == nil {
		k.ids = make(map[rowKey]string)
	}
	if len(k.keys) < maxKnownRows {
		k.keys = append(k.keys, key)
	} else {
		delete(k.ids, k.keys[k.next])
		k.keys[k.next] = key
		k.next = (k.next + 1) % maxKnownRows
	}
	k.ids[key] = r.ID
}

func (k *knownRows) of(workspace, id string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ids[rowKey{workspace, id}]
}

// ClientID returns the client's id of a message by its row's key, as far as the stream has
// told it, or the message was sent or passed here, lately; "" for none.
func (s *Sender) ClientID(workspace, row string) string { return s.rows.of(workspace, row) }
