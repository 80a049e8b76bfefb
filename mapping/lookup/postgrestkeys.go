package lookup

import (
	"encoding/json"
	"strings"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
)

// restBytes is assumed as the size of a row, which PostgREST does not tell.
const restBytes = 16 << 10

// endOfTime stands for infinity.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// restRow is a row's key as it was read.
type restRow struct {
	key, of string // of is a message's conversation
	made    string // as it was printed, with its microseconds
	at      time.Time
}

func (r *restRow) pastKey() PastKey {
	k := PastKey{Key: r.key, At: r.at.Truncate(time.Millisecond), Conversation: r.of, Bytes: restBytes}
	if r.at.Equal(endOfTime) {
		k.At = time.Time{}
	}
	return k
}

// latest orders rows as they are read: the latest first.
func latest(a, b restRow) int {
	if c := b.at.Compare(a.at); c != 0 {
		return c
	}
	return strings.Compare(b.key, a.key)
}

// pastKeys cuts rows down to limit.
func pastKeys(rows []restRow, limit int) (keys []PastKey, more bool) {
	if more = len(rows) > limit; more {
		rows = rows[:limit]
	}
	for i := range rows {
		keys = append(keys, rows[i].pastKey())
	}
	return keys, more
}

// askedAs returns the conversation of a message as it was asked for, such as a uuid in
// capitals; "" where it was not.
func askedAs(of string, asked []engine.RowKey) string {
	for _, k := range asked {
		if k.Key == of {
			return of
		}
	}
	for _, k := range asked {
		if strings.EqualFold(k.Key, of) {
			return k.Key
		}
	}
	if len(asked) == 1 {
		return asked[0].Key // it was asked for alone
	}
	return ""
}

// columns selects a row's key, its time and its conversation. The time is not printed as
// a text: as JSON it has the same form whatever the server's settings.
func (p *RESTPast) columns(t mapping.Table, made, of int) string {
	out := "key:" + quoteName(name(t, t.Key)) + "::text"
	if made >= 0 {
		out += ",made:" + quoteName(name(t, made))
	}
	if of >= 0 {
		out += ",of:" + quoteName(name(t, of)) + "::text"
	}
	return out
}

func readRow(o map[string]json.RawMessage) (r restRow) {
	for name, into := range map[string]*string{"key": &r.key, "made": &r.made, "of": &r.of} {
		_ = json.Unmarshal(o[name], into) // null and what is not there is ""
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} { // with any fraction
		if at, err := time.Parse(layout, r.made); err == nil {
			r.at = at.UTC()
		}
	}
	if r.made == "infinity" {
		r.at = endOfTime
	}
	return r
}
