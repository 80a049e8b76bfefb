package realtime

import (
	"slices"
	"strings"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// sketch is what the reconciler compares: a row's key, its times and its
// watched columns.
type sketch struct {
	key []string
	// at is the later of the two times, updated the time of the last update,
	// created that of the insert; microseconds since 1970, 0 for unknown.
	at, created, updated int64
	watch                []watched
	// workspace and conversation say whose the row is, where that is known. They are
	// not compared, nor kept in the ledger.
	workspace, conversation string
}

type watched struct {
	kind source.Kind
	text string
}

// id is the key as one string.
func (s *sketch) id() string { return rowID(s.key) }

// equal reports whether the times and the watched columns of two sketches of a row
// are the same.
func (s *sketch) equal(o *sketch) bool {
	return s.at == o.at && s.updated == o.updated && slices.Equal(s.watch, o.watch)
}

func rowID(key []string) string { return strings.Join(key, "\x00") }

// sketchRow makes the sketch of a row; false where the key is not there.
func (t *table) sketchRow(rel *source.Relation, row source.Row) (sketch, bool) {
	conf := t.config()
	value := func(name string) (source.Value, string) {
		if name == "" {
			return source.Value{}, ""
		}
		if i := columnIndex(rel, name); i >= 0 && i < len(row) {
			return row[i], rel.Columns[i].Type
		}
		return source.Value{}, ""
	}
	return makeSketch(conf, value)
}

// sketchRead makes the sketch of a row or of a part of one that a reader
// returned.
func (t *table) sketchRead(row readback.Row) (sketch, bool) {
	conf, rel := t.config(), t.current()
	value := func(name string) (source.Value, string) {
		raw, ok := row[name]
		if name == "" || !ok {
			return source.Value{}, ""
		}
		typ := ""
		if rel != nil {
			if i := columnIndex(rel, name); i >= 0 {
				typ = rel.Columns[i].Type
			}
		}
		return toValue(raw, typ, readForm), typ
	}
	return makeSketch(conf, value)
}

func makeSketch(conf readback.Table, value func(string) (source.Value, string)) (sketch, bool) {
	var s sketch
	for _, k := range conf.Key {
		v, _ := value(k)
		if v.Kind != source.Text {
			return sketch{}, false
		}
		s.key = append(s.key, string(v.Data))
	}
	created, _ := value(conf.Created)
	updated, _ := value(conf.Updated)
	s.created, s.updated = micros(created), micros(updated)
	s.at = max(s.created, s.updated)
	if len(conf.Watch) > 0 {
		s.watch = make([]watched, len(conf.Watch))
	}
	for i, name := range conf.Watch {
		v, _ := value(name)
		s.watch[i] = watched{kind: v.Kind, text: string(v.Data)}
	}
	w, _ := value(conf.Workspace)
	c, _ := value(conf.Conversation)
	s.workspace, s.conversation = string(w.Data), string(c.Data)
	return s, true
}

// micros reads a timestamp, with or without zone (then UTC), as microseconds
// since 1970; 0 where it is none.
func micros(v source.Value) int64 {
	if v.Kind != source.Text {
		return 0
	}
	s := string(v.Data)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMicro()
		}
	}
	return 0
}
