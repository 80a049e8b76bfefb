package failover

import (
	"encoding/json"
	"fmt"
	"time"

	"chatbridge/internal/history"
	"chatbridge/source"
)

// Judgement is what the validators found, over all clients.
type Judgement struct {
	// Found counts by the validators' names.
	Found map[string]int
	// Gaps counts the gaps reported to clients. Each is a failure here: nothing
	// that the scenarios do loses events.
	Gaps int
	// Judged counts the events received that were judged.
	Judged int
	// Connects counts the connections, Recovered those that restored a session, Pages the
	// histories, of which each has begun by a connection.
	Connects, Recovered, Pages int
	// Subscriptions counts them, Answered those that the server has answered.
	Subscriptions, Answered int
	// Examples are some of the violations.
	Examples []history.Violation
}

// Clean reports whether nothing was found.
func (j Judgement) Clean() bool { return len(j.Found) == 0 && j.Gaps == 0 }

func (j Judgement) String() string {
	return fmt.Sprintf("%d events of histories judged, violations %v, %d gaps reported", j.Judged, j.Found, j.Gaps)
}

// Merge adds another one's counts.
func (j *Judgement) Merge(o Judgement) {
	if j.Found == nil {
		j.Found = make(map[string]int)
	}
	for name, n := range o.Found {
		j.Found[name] += n
	}
	j.Gaps += o.Gaps
	j.Judged += o.Judged
	j.Connects += o.Connects
	j.Recovered += o.Recovered
	j.Pages += o.Pages
	j.Subscriptions += o.Subscriptions
	j.Answered += o.Answered
}

// examplesPerClient bounds what one client's history puts into the log.
const examplesPerClient = 5

// Judge judges each client's history, since its page was loaded, by the truth, and those
// of the pages before where they are kept: see Keep.
// With live, clients that are not at the bridge are at a server that sends
// nothing from before their connection.
func (c *Clients) Judge(truth *history.Truth, bounds history.Bounds, live bool) Judgement {
	c.t.Helper()
	judge := history.NewJudge(truth, bounds)
	all := Judgement{Found: make(map[string]int)}
	for i := range c.each {
		for page := 0; ; page++ {
			h := c.history(i, page, live)
			all.count(h)
			all.take(judge.All(h))
			if h.Drained {
				break // the last page
			}
		}
	}
	if all.Subscriptions > 0 && all.Answered == 0 {
		c.t.Errorf("of %d subscriptions none was answered: the clients do not note it", all.Subscriptions)
	}
	return all
}

// count counts what a history has.
func (j *Judgement) count(h *history.History) {
	j.Pages++
	for _, e := range h.Entries {
		switch {
		case e.Op == history.Connect:
			j.Connects++
			if e.Recovered {
				j.Recovered++
			}
		case e.Op == history.Subscribe:
			j.Subscriptions++
			if !e.Unanswered {
				j.Answered++
			}
		case e.Kind == history.GapEvent:
			j.Gaps++
		case e.Op == history.Receive:
			j.Judged++
		}
	}
}

// Keep has the clients keep the histories of pages that are loaded anew from now on, for
// Judge.
func (c *Clients) Keep() {
	c.t.Helper()
	c.ask(map[string]any{"event": "keep"}, nil)
}

// Shown is what the pages of a version of the CRM show wrongly, over all clients.
func (c *Clients) Shown(truth *history.Truth, crm history.CRM) Judgement {
	c.t.Helper()
	judge := history.NewJudge(truth, history.Bounds{})
	all := Judgement{Found: make(map[string]int)}
	for i := range c.each {
		h := c.history(i, lastPage, false)
		all.Judged += len(h.Entries)
		all.take(judge.Shown(h, crm))
	}
	return all
}

// take counts a client's violations.
func (j *Judgement) take(found []history.Violation) {
	for n, v := range found {
		j.Found[v.Validator]++
		if n < examplesPerClient {
			j.Examples = append(j.Examples, v)
		}
	}
}

// lastPage is the page that has not been loaded anew: there are fewer kept ones.
const lastPage = 1 << 20

// history asks for one client's history, of a kept page or of the one there is. The
// clients have settled, so at the end of that one nothing is left to come.
func (c *Clients) history(i, page int, live bool) *history.History {
	c.t.Helper()
	process, place := c.at(i)
	p := c.procs[process]
	p.Tell(map[string]any{"event": "history", "client": place, "page": page})
	var answer struct {
		Entries [][]json.RawMessage
		Now     int64
		Kept    bool
	}
	p.Await("history", &answer)
	entries, err := entries(answer.Entries, live, c.without)
	if err != nil {
		c.t.Fatal(err)
	}
	h := &history.History{
		Client: fmt.Sprintf("client %d", i), Workspace: c.each[i].WorkspaceID,
		End: time.UnixMilli(answer.Now), Drained: !answer.Kept, Entries: entries,
	}
	for i, e := range entries {
		if answer.Kept && e.Gap != nil && e.Gap.Reload {
			// From here on the page is to be loaded anew, and was.
			h.End, h.Entries = e.At, entries[:i+1]
			break
		}
	}
	return h
}

// answered stands for what a client notes when the server has answered all that it sent.
const answered history.Op = 255

// entries reads a client's history, but what is of the conversation without.
func entries(lines [][]json.RawMessage, live bool, without string) ([]history.Entry, error) {
	all := make([]history.Entry, 0, len(lines))
	var asked []int // the places of the connection's subscriptions without an answer yet
	for _, line := range lines {
		e, err := entry(line, live)
		if err != nil {
			return nil, err
		}
		switch {
		case without != "" && e.Conversation == without:
			continue
		case e.Op == answered:
			for _, i := range asked {
				all[i].Unanswered = false
			}
			asked = asked[:0]
			continue
		case e.Op == history.Connect:
			asked = asked[:0]
		case e.Op == history.Subscribe:
			e.Unanswered = true
			asked = append(asked, len(all))
		}
		all = append(all, e)
	}
	return all, nil
}

// Without leaves a conversation out of the histories: see Recorder.Without.
func (c *Clients) Without(conversation string) { c.without = conversation }

// at returns the process of the ith client, and its place there.
func (c *Clients) at(i int) (process, place int) {
	n := len(c.procs)
	for p := range n {
		from, to := len(c.each)*p/n, len(c.each)*(p+1)/n
		if i < to {
			return p, i - from
		}
	}
	panic("there are fewer clients")
}

// entry reads one line of a client's history: see clients.mjs.
func entry(raw []json.RawMessage, live bool) (history.Entry, error) {
	var at int64
	var op string
	if err := read(raw, &at, &op); err != nil {
		return history.Entry{}, err
	}
	e := history.Entry{At: time.UnixMilli(at)}
	rest := raw[2:]
	var position string
	var err error
	switch op {
	case "connect":
		var byBridge bool
		e.Op = history.Connect
		err = read(rest, &e.Recovered, &position, &byBridge)
		e.NoPast = live && !byBridge
	case "disconnect":
		e.Op = history.Disconnect
	case "subscribe":
		e.Op = history.Subscribe
		err = read(rest, &e.Conversation)
	case "receive":
		e.Op = history.Receive
		if err = read(rest, &e.Kind, &e.Conversation, &e.Message, &e.Status, &e.Workspace, &position); err == nil && e.Kind != history.Conversation {
			e.As, err = as(rest[6], e.Message)
		}
	case "answered":
		e.Op = answered
	case "load":
		e.Op = history.Load
		if err = read(rest, &e.Message); err == nil {
			e.As, err = as(rest[1], e.Message)
		}
	case "gap":
		e.Op, e.Kind, e.Gap = history.Receive, history.GapEvent, new(history.Gap)
		var gap struct {
			Since, Until   time.Time
			ConversationID string
			Reload         bool
		}
		err = read(rest, &gap)
		*e.Gap = history.Gap{Since: gap.Since, Until: gap.Until, Conversation: gap.ConversationID, Reload: gap.Reload}
	default:
		err = fmt.Errorf("a history has %q", op)
	}
	if err != nil {
		return e, err
	}
	if position == "" {
		return e, nil
	}
	// What an event carries begins with its position.
	place, err := source.ParsePosition(position[:min(len(position), source.PositionLen)])
	if e.Op == history.Connect {
		e.Offset = place
	} else {
		e.Position = place
	}
	return e, err
}

// as reads what a message was called; "=" is its name.
func as(raw json.RawMessage, name string) (history.As, error) {
	var ids [4]string
	if err := json.Unmarshal(raw, &ids); err != nil {
		return history.As{}, fmt.Errorf("read a history's names: %w", err)
	}
	for i, id := range ids {
		if id == "=" {
			ids[i] = name
		}
	}
	return history.As{ID: ids[0], Provider: ids[1], Client: ids[2], Status: ids[3]}, nil
}

// read reads values into places.
func read(raw []json.RawMessage, places ...any) error {
	if len(raw) < len(places) {
		return fmt.Errorf("a line of a history has %d values, want %d", len(raw), len(places))
	}
	for i, p := range places {
		if err := json.Unmarshal(raw[i], p); err != nil {
			return fmt.Errorf("read a history: %w", err)
		}
	}
	return nil
}
