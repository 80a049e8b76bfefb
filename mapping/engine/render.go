package engine

import (
	"bytes"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// outcome is how the rendering of an event went.
type outcome uint8

const (
	rendered outcome = iota
	// needsLookup: something has to be looked up first.
	needsLookup
	// impossible: the event cannot be made; that is counted.
	impossible
	// unwanted: the mapping's `where:` leaves the row out.
	unwanted
)

// renderer makes events of rows. Its buffers are used again for each event.
type renderer struct {
	schema
	tx       *transaction
	report   *reporter
	resolver *resolver
	env      plan.Env
	// event is the one that was rendered last; out is its payload.
	event contract.Event
	out   []byte
	// idAt and statusAt are where out has the message's id and status, which begins
	// with its JSON.
	idAt, statusAt int
	// conversationRow is the remembered row that the latest conversation event was
	// rendered from, nil for none.
	conversationRow *cachedRow
	// other is a second rendering: to compare with out, or the payload of again.
	other []byte
	// name has the id by which ChatEngine names the message that was rendered last.
	name []byte
}

// keepBuffer is the size up to which a buffer that a large row inflated is
// used again.
const keepBuffer = 1 << 20

func (r *renderer) shrinkBuffers() {
	for _, p := range []*[]byte{&r.out, &r.other, &r.env.Scratch} {
		if cap(*p) > keepBuffer {
			*p = nil
		}
	}
}

// beginMessage starts an event of a message's row.
func (r *renderer) beginMessage(row source.Row) {
	s := &r.plan.Message
	r.env.Begin(r.tx.Time, row[s.Workspace].Data, row[s.Conversation].Data)
	r.env.Set(plan.MessageTable, row)
}

// beginConversation starts an event of a conversation's row.
func (r *renderer) beginConversation(row source.Row) {
	s := &r.plan.Conversation
	r.env.Begin(r.tx.Time, row[s.Workspace].Data, row[s.Key].Data)
	r.env.Set(plan.ConversationTable, row)
}

// message renders a message's row. cut tells that a part of it came of a row that
// is remembered shortened.
func (r *renderer) message(row source.Row, index uint32, cut bool) outcome {
	s := &r.plan.Message
	r.beginMessage(row)
	r.env.Cut = cut
	if o := r.messageWanted(row); o != rendered {
		return o
	}
	o := r.payload(contract.Message, plan.MessageTable, row[s.Key].Data, s.Members)
	if o = r.complete(o, plan.MessageTable, r.messageKey(row)); o == rendered {
		r.setMessageEvent(contract.Message, index, row)
		r.event.Other = r.otherName()
	}
	return o
}

// otherName returns the id by which ChatEngine names the message that was rendered
// last: the client's where it has one, for ChatEngine names by it what was sent
// through it, and else the provider's; nil for none, or the same.
func (r *renderer) otherName() []byte {
	r.env.Quiet = true
	defer func() { r.env.Quiet = false }()
	for n := len(r.plan.Names) - 1; n >= 0; n-- {
		name, ok := r.plan.Names[n].Text(&r.env)
		switch {
		case !ok || len(name) == 0 || len(name) > maxKept:
		case bytes.Equal(name, r.event.Key):
			return nil
		default:
			r.name = append(r.name[:0], name...)
			return r.name
		}
	}
	return nil
}

// setAgain notes that the row of the message that was rendered last was there before.
func (r *renderer) setAgain(row source.Row) {
	r.event.Again = true
	if r.plan.NewestBy >= 0 {
		r.event.Created = r.messageOrder(row, 0)
	}
}

// status renders a messageStatus of a message's row.
func (r *renderer) status(row source.Row, index uint32) outcome {
	r.beginMessage(row)
	if o := r.messageWanted(row); o != rendered {
		return o
	}
	id := row[r.plan.Message.Key].Data
	out, ok := r.plan.IDMember.JSON(append(r.out[:0], statusHead...), &r.env)
	hasID := ok
	if ok {
		r.idAt, r.statusAt = len(statusHead), len(out)+len(statusMiddle)
		out, ok = r.plan.StatusMember.JSON(append(out, statusMiddle...), &r.env)
	}
	if ok {
		out = jsonscan.AppendString(append(out, `,"conversationId":`...), row[r.plan.Message.Conversation].Data)
	}
	r.out = append(out, '}')
	switch {
	case r.env.Missed:
		return needsLookup
	case r.env.Over || len(out) >= r.env.Most:
		r.report.leaveOut(contract.MessageStatus, plan.MessageTable, id, &r.env)
		return impossible
	case !ok && r.env.LookupFailed:
		return impossible
	case !ok && hasID:
		r.noStatus()
		return impossible
	case !ok:
		r.report.fail(failMember, plan.MessageTable, id, "id", "no value for id, which the contract requires")
		return impossible
	}
	r.setMessageEvent(contract.MessageStatus, index, row)
	return rendered
}

// The beginning of a messageStatus, and what is between id and status.
const statusHead, statusMiddle = `{"messageId":`, `,"status":`

// again renders the messageStatus that was rendered last once more, under the nth
// of the other ids by which clients may know the message. It is false where there is
// none, or it is one of those before.
func (r *renderer) again(n int, index uint32) bool {
	idEnd := r.statusAt - len(statusMiddle)
	out, ok := r.plan.Names[n].JSON(append(r.other[:0], statusHead...), &r.env)
	r.other = out
	id := out[len(statusHead):]
	if !ok || r.env.Over || bytes.Equal(id, r.out[len(statusHead):idEnd]) {
		return false
	}
	key := plainText(id)
	if key == nil {
		key, _ = r.plan.Names[n].Text(&r.env)
	}
	for _, before := range r.plan.Names[:n] {
		if known, ok := before.Text(&r.env); ok && bytes.Equal(known, key) {
			return false
		}
	}
	r.other = append(out, r.out[idEnd:]...)
	if r.event.Of == nil {
		r.event.Of = r.event.Key
	}
	r.event.Index, r.event.Key, r.event.Payload = index, key, r.other
	return len(r.other) <= r.env.Most
}

// noStatus counts a change to a status that means none to clients.
func (r *renderer) noStatus() {
	if r.report.muted {
		return
	}
	for _, word := range r.env.Unknown {
		r.report.unknownWord(word, r.env.Rows[plan.MessageTable])
	}
	r.report.skip(skipStatus)
}

func (r *renderer) setMessageEvent(kind contract.Kind, index uint32, row source.Row) {
	s := &r.plan.Message
	r.event = contract.Event{Kind: kind, Index: index, Workspace: row[s.Workspace].Data, Conversation: row[s.Conversation].Data, Payload: r.out}
	for _, word := range r.env.Unknown {
		r.report.unknownWord(word, row)
	}
	r.event.Key, r.event.Status = plainText(r.out[r.idAt:]), plainText(r.out[r.statusAt:])
	if r.event.Key == nil {
		r.event.Key, _ = r.plan.IDMember.Text(&r.env)
	}
	if r.event.Status == nil {
		r.env.Quiet = true
		r.event.Status, _ = r.plan.StatusMember.Text(&r.env)
		r.env.Quiet = false
	}
}

// plainText returns what is in the JSON string that s starts with, nil when it
// has an escape. It spares evaluating id and status a second time.
func plainText(s []byte) []byte {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			return nil
		case '"':
			return s[1:i:i]
		}
	}
	return nil
}

// typing renders a typing event of a conversation's row.
func (r *renderer) typing(row source.Row, index uint32) outcome {
	r.beginConversation(row)
	key := rowKey{r.env.Workspace, r.env.Conversation}
	o := r.payload(contract.Typing, plan.ConversationTable, key.key, r.plan.Typing)
	if o = r.complete(o, plan.ConversationTable, key); o == rendered {
		r.event = contract.Event{Kind: contract.Typing, Index: index, Workspace: key.workspace, Conversation: key.key, Key: key.key, Payload: r.out}
	}
	return o
}

// conversation renders a conversation's row and its newest message as they are
// now.
func (r *renderer) conversation(key rowKey, index uint32) outcome {
	r.env.Begin(r.tx.Time, key.workspace, key.key)
	r.conversationRow = r.resolver.recall(&r.env, plan.ConversationTable, needConversation, key)
	if r.conversationRow != nil {
		r.env.Set(plan.ConversationTable, r.conversationRow.row)
	} else {
		r.env.Set(plan.ConversationTable, nil)
	}
	if !r.wanted() && !r.env.Missed && r.env.Unsent == 0 {
		if !r.report.muted {
			r.report.skip(skipWhere)
		}
		return unwanted
	}
	o := r.payload(contract.Conversation, plan.ConversationTable, key.key, r.plan.Conversation.Members)
	if o = r.complete(o, plan.ConversationTable, key); o == rendered {
		r.event = contract.Event{Kind: contract.Conversation, Index: index, Workspace: key.workspace, Conversation: key.key, Key: key.key, Payload: r.out}
	}
	return o
}

// complete turns an event that was rendered without values that the source did not
// send into one that needs a look-up, or, when they cannot be had, an impossible
// one. key is that of the row of table t that the event is of.
func (r *renderer) complete(o outcome, t plan.TableID, key rowKey) outcome {
	if r.env.Unsent == 0 {
		return o
	}
	if r.resolver.readBack(&r.env, t, key) || o == needsLookup { // all that is needed is asked for at once
		return needsLookup
	}
	if r.env.LookupFailed {
		return impossible // it is owed
	}
	r.report.fail(failToast, t, key.key, "", "an UPDATE came without its large values and they could not be read back: "+
		"set `replica identity full`, or let the bridge look them up")
	return impossible
}

// statusOf returns a message's status in the contract's words, nil for none.
// Unknown words are counted when the event is made, not here.
func (r *renderer) statusOf(row source.Row) []byte {
	if s, ok := r.quietText(r.plan.StatusMember, row); ok {
		return s
	}
	return nil
}

// quietText evaluates an expression of a message's row without counting
// anything or asking for rows.
func (r *renderer) quietText(x plan.Expr, row source.Row) ([]byte, bool) {
	r.beginMessage(row)
	r.env.Quiet = true
	s, ok := x.Text(&r.env)
	r.env.Quiet = false
	return s, ok
}

// messagesDiffer reports whether the events of two states of a message differ in
// anything but the status. What would have to be looked up counts as the
// same in both; what is too large to be rendered as different.
func (r *renderer) messagesDiffer(was, now source.Row) bool {
	return r.differ(r.beginMessage, r.plan.Message.Members, "status", was, now) || r.env.Unsent != 0
}

// conversationsDiffer is messagesDiffer of two states of a conversation.
func (r *renderer) conversationsDiffer(was, now source.Row) bool {
	return r.differ(r.beginConversation, r.plan.Conversation.Members, "", was, now)
}

// differ reports whether members, but for one, of two states of a row differ, or
// whether conversations are wanted.
func (r *renderer) differ(begin func(source.Row), members []plan.Member, but string, was, now source.Row) bool {
	r.env.Quiet = true
	begin(was)
	wanted := r.wanted()
	r.other = r.appendMembers(r.other[:0], members, but)
	begin(now)
	r.out = r.appendMembers(r.out[:0], members, but)
	differ := r.env.Over || wanted != r.wanted() || !bytes.Equal(r.other, r.out)
	r.env.Quiet = false
	return differ
}

// wanted reports whether the mapping's `where:` lets the conversation that was begun
// make an event.
func (r *renderer) wanted() bool {
	where := r.plan.Conversation.Where
	return where == nil || where.Holds(&r.env)
}

// appendMembers appends members of the event that was begun, but for one.
func (r *renderer) appendMembers(dst []byte, members []plan.Member, but string) []byte {
	for i := range members {
		if x := &members[i]; x.Name != but {
			dst, _ = x.Value.JSON(append(dst, x.Head...), &r.env)
		}
	}
	return dst
}
