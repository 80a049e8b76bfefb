package engine

import (
	"fmt"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Warning is something the operator should know. The Mapper gives each one
// once for a table and reason, with the first row's key as the example;
// Stats counts the rest.
type Warning struct {
	// Reason is a short stable word for metrics and logs, such as
	// missing_column, no_workspace, unknown_word.
	Reason string
	// Table is schema.name.
	Table string
	// Key is the row's primary key as far as known, for missing_column the
	// column; never other content.
	Key string
	// Detail is one sentence with the remedy.
	Detail string
}

// maxWarnings bounds what is remembered of warnings given.
const maxWarnings = 1000

// reporter counts and warns.
type reporter struct {
	counters
	// muted: events are rendered only to learn what they need looked up; nothing is
	// counted or warned of.
	muted bool

	tables       []mapping.Table
	warnTo       func(Warning)
	leftOutTo    func(workspace, conversation []byte, kind contract.Kind)
	warned       map[string]bool
	unknownWords map[string]*unknownWords
}

func newReporter(spec *mapping.Spec, o Options) *reporter {
	r := &reporter{
		tables: spec.Tables(), warnTo: o.Warn, leftOutTo: o.LeftOut,
		warned: map[string]bool{}, unknownWords: map[string]*unknownWords{},
	}
	for _, member := range spec.Plan().CountedWords {
		r.unknownWords[member] = &unknownWords{}
	}
	return r
}

// warn gives a warning of a row of table t unless one of that table, reason and
// subject was given.
func (r *reporter) warn(reason string, t plan.TableID, key, subject, detail string) {
	if r.warnTo == nil || len(r.warned) >= maxWarnings {
		return
	}
	table := r.tables[t].Schema + "." + r.tables[t].Name
	id := table + "\x00" + reason + "\x00" + subject
	if r.warned[id] {
		return
	}
	r.warned[id] = true
	r.warnTo(Warning{Reason: reason, Table: table, Key: key, Detail: detail})
}

// fail counts a row or event that cannot be made and warns of it.
func (r *reporter) fail(reason int, t plan.TableID, key []byte, subject, detail string) {
	if r.muted {
		return
	}
	r.failed[reason].Add(1)
	if r.warnTo != nil {
		r.warn(failNames[reason], t, string(key), subject, detail)
	}
}

func (r *reporter) skip(reason int) { r.skipped[reason].Add(1) }

func (r *reporter) countRow(t plan.TableID, op source.Op) {
	if op <= source.Truncate {
		r.rows[t][op].Add(1)
	}
}

// unknownWord counts a word of a row of messages that is in no list, and warns of it
// with the row's key.
func (r *reporter) unknownWord(word plan.UnknownWord, row source.Row) {
	if r.muted {
		return
	}
	member, shown := word.Member, ""
	if u := r.unknownWords[member]; u != nil {
		shown = u.add(word.Word)
	} else {
		shown = showWord(word.Word)
	}
	if r.warnTo == nil {
		return
	}
	key := ""
	if slot := r.tables[plan.MessageTable].Key; slot >= 0 && slot < len(row) {
		key = string(row[slot].Data)
	}
	does := "is sent as its fallback"
	if member == "message.status" {
		does = "makes no messageStatus (a new message has the fallback)"
	}
	r.warn("unknown_word", plan.MessageTable, key, member,
		fmt.Sprintf("the word \"%s\" for %s is in no word list and %s: add it to the mapping's `words:`", shown, member, does))
}

// unitless counts an event whose time is a number of an unknown unit.
func (r *reporter) unitless(t plan.TableID, key []byte, member string) {
	r.fail(failUnit, t, key, member, member+" is a number, and the mapping does not say what it counts since 1970, so it is not printed as a time: "+
		"write {time: column, unit: seconds}, milliseconds or microseconds")
}

// shorten counts an event that is sent shortened; e is what it was rendered from.
func (r *reporter) shorten(kind contract.Kind, t plan.TableID, key []byte, e *plan.Env) {
	if r.muted {
		return
	}
	r.shortened[kind].Add(1)
	r.tooLarge("shortened", t, key, e, "is sent shortened: content is cut, media and other large values are left away")
}

// leaveOut counts an event that is too large whatever is left away.
func (r *reporter) leaveOut(kind contract.Kind, t plan.TableID, key []byte, e *plan.Env) {
	if r.muted {
		return
	}
	r.leftOut[kind].Add(1)
	if r.leftOutTo != nil {
		r.leftOutTo(e.Workspace, e.Conversation, kind)
	}
	r.tooLarge("left_out", t, key, e, "cannot be shortened enough and is left out")
}

func (r *reporter) tooLarge(reason string, t plan.TableID, key []byte, e *plan.Env, what string) {
	if r.warnTo == nil {
		return
	}
	r.warn(reason, t, string(key), "", fmt.Sprintf("the row has %d bytes; its event is larger than limits.event (%d bytes) and %s", rowSize(e.Rows[t]), e.Most, what))
}
