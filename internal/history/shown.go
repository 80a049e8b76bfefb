package history

import "cmp"

// CRM is by which ids a version of the CRM knows a message again.
type CRM uint8

const (
	// ByID is one up to January 2026: it drops a message whose id it shows, and
	// takes a status for the message of that id.
	ByID CRM = iota
	// ByEveryID is a newer one: it also knows a message and a status by WhatsApp's
	// id, and its own bubble by the client's.
	ByEveryID
)

// String names it for violations.
func (v CRM) String() string { return [...]string{"CRM by id", "CRM by every id"}[v] }

// bubble is one message as the page shows it.
type bubble struct {
	As
	message string // as the truth knows it
	entry   int
}

// Shown plays a history to a version of the CRM and returns the messages that
// its page shows twice ("Once"), and, where the client was connected to the end
// and nothing was left to come, those that it shows with another status than
// their last one ("Current"). A page shows what it has subscribed to, or all. What is missing is Reliable's.
func (j *Judge) Shown(h *History, crm CRM) []Violation {
	p := page{crm: crm, of: make(map[string][]*bubble), byID: make(map[string]*bubble), byProvider: make(map[string]*bubble)}
	connected, open := false, make(map[string]bool)
	for i := range h.Entries {
		e := &h.Entries[i]
		switch {
		case e.Op == Connect:
			connected = true
		case e.Op == Disconnect:
			connected = false
		case e.Op == Subscribe:
			open[e.Conversation] = true
		case e.Op == Load:
			p.message(i, e)
		case e.Op == Receive && e.Kind == Message:
			// To a client that has yet to subscribe ChatEngine sends all.
			if len(open) == 0 || open[e.Conversation] {
				p.message(i, e)
			}
		case e.Op == Receive && e.Kind == MessageStatus:
			p.status(e)
		}
	}
	c := examined{Judge: j, h: h}
	var all []Violation
	for _, message := range p.order {
		shown := p.of[message]
		if len(shown) > 1 {
			all = append(all, c.violation("Once", shown[1].entry, -1, "%v shows %s as %s and as %s", crm, message, shown[0].ID, shown[1].ID))
		}
		last, ok := j.truth.Statuses[message]
		if !ok || !connected || !h.Drained {
			continue
		}
		for _, b := range shown {
			if b.Status != last {
				all = append(all, c.violation("Current", b.entry, -1, "%v shows %s (as %s) as %s, is %s", crm, message, b.ID, b.Status, last))
			}
		}
	}
	return all
}

// page is what a CRM's page shows.
type page struct {
	crm   CRM
	order []string // messages, in the order in which they came first
	of    map[string][]*bubble
	// byID and byProvider find a bubble by what it is called now.
	byID, byProvider map[string]*bubble
}

func (p *page) message(entry int, e *Entry) {
	if b := p.known(&e.As); b != nil {
		if b.Status == "pending" && e.As.Client != "" && p.crm == ByEveryID {
			b.As = e.As // the bubble that waited for it
			p.name(b)
		}
		return
	}
	b := &bubble{e.As, e.Message, entry}
	if len(p.of[e.Message]) == 0 {
		p.order = append(p.order, e.Message)
	}
	p.of[e.Message] = append(p.of[e.Message], b)
	p.name(b)
}

// known is the bubble that the CRM takes a message for, nil for a new one. Its
// own bubbles have the client's id.
func (p *page) known(as *As) *bubble {
	b := p.byID[as.ID]
	if b == nil && p.crm == ByEveryID {
		b = cmp.Or(p.byProvider[as.Provider], p.byID[as.Client])
	}
	return b
}

func (p *page) name(b *bubble) {
	p.byID[b.ID] = b
	if b.Provider != "" {
		p.byProvider[b.Provider] = b
	}
}

func (p *page) status(e *Entry) {
	b := p.byID[e.As.ID]
	if b == nil && p.crm == ByEveryID {
		b = p.byProvider[e.As.ID]
	}
	if b != nil {
		b.Status = e.Status
	}
}
