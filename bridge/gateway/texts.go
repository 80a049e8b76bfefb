package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"sync"

	"chatbridge/bridge/gateway/frame"
)

// Text is one that a client sends through ChatEngine (sendMessage).
type Text struct{ ID, Conversation, Content, ReplyTo string }

// Texts follows the texts that clients send through ChatEngine by WebSocket, so that their
// senders get a failed status if ChatEngine dies with one. It is called from many goroutines.
type Texts interface {
	// Pass is told of a text before ChatEngine has it, and does not wait. r is the request
	// that opened the WebSocket, connect the payload of the client's CONNECT: by them it is
	// known whose the text is, if ChatEngine admits the client. It returns nil for one that it
	// takes no notice of.
	Pass(r *http.Request, connect []byte, t Text) PassedText
}

// PassedText is a Text on its way. Either End or Cut is called, once.
type PassedText interface {
	// Done reports whether it need not be told any more.
	Done() bool
	// End: ChatEngine has told the client the text's status.
	End(status string)
	// Cut: the connection has ended before. alive: ChatEngine may still be sending it.
	Cut(alive bool)
}

const (
	// maxTexts bounds the texts of one client that ChatEngine has not told of; more are
	// not looked at.
	maxTexts = 256
	// maxText bounds a packet that is looked at, in bytes: a text of 64 KiB, each byte
	// escaped. maxTextID is the bridge's bound of ids.
	maxText, maxTextID = 6*64<<10 + 4<<10, 128
)

// passedTexts are the texts of one proxied WebSocket. fromClient, and fromUpstream, are
// called from one goroutine at a time.
type passedTexts struct {
	texts            Texts
	request          *http.Request
	client, upstream frame.Scanner

	mu      sync.Mutex
	connect []byte // the payload of the client's CONNECT
	open    map[string]PassedText
	over    bool
}

// newPassedTexts returns those of a request's WebSocket, nil without Texts.
func newPassedTexts(texts Texts, r *http.Request) *passedTexts {
	if texts == nil {
		return nil
	}
	x := &passedTexts{texts: texts, request: r, open: make(map[string]PassedText)}
	x.client = frame.Scanner{Max: maxText, Wants: func(start []byte) bool {
		return isConnectPacket(start) || isEvent(start, "sendMessage")
	}}
	x.upstream = frame.Scanner{Max: maxText, Wants: func(start []byte) bool {
		return (isEvent(start, "messageStatus") || isEvent(start, "messageSent")) && x.any()
	}}
	return x
}

func (x *passedTexts) any() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.open) > 0
}

// fromClient takes what the client sends, before ChatEngine has it.
func (x *passedTexts) fromClient(p []byte) {
	if x != nil {
		x.client.Scan(p, x.packet)
	}
}

// fromUpstream takes what the client is sent.
func (x *passedTexts) fromUpstream(p []byte) {
	if x != nil {
		x.upstream.Scan(p, x.status)
	}
}

// packet takes a CONNECT or a sendMessage of the client's.
func (x *passedTexts) packet(p []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if isConnectPacket(p) {
		x.connect = bytes.Clone(p[2:])
		return
	}
	var args []json.RawMessage
	var m struct{ ConversationID, Content, MessageID, ReplyToMessageID string }
	if json.Unmarshal(p[bytes.IndexByte(p, '['):], &args) != nil || len(args) < 2 || json.Unmarshal(args[1], &m) != nil {
		return // ChatEngine's to judge
	}
	if len(x.open) >= maxTexts {
		maps.DeleteFunc(x.open, func(_ string, t PassedText) bool { return t.Done() })
	}
	if m.MessageID == "" || len(m.MessageID) > maxTextID || len(m.ConversationID) > maxTextID || x.over || len(x.open) >= maxTexts ||
		x.open[m.MessageID] != nil && !x.open[m.MessageID].Done() {
		return
	}
	t := x.texts.Pass(x.request, x.connect, Text{ID: m.MessageID, Conversation: m.ConversationID, Content: m.Content, ReplyTo: m.ReplyToMessageID})
	if t != nil {
		x.open[m.MessageID] = t
	}
}

// status takes a messageStatus or messageSent of ChatEngine's. A messageStatus may be under
// WhatsApp's id, which is not known here: then messageSent or the row tells.
func (x *passedTexts) status(p []byte) {
	var args []json.RawMessage
	var m struct{ MessageID, Status string }
	if json.Unmarshal(p[bytes.IndexByte(p, '['):], &args) != nil || len(args) < 2 || json.Unmarshal(args[1], &m) != nil || m.Status == "pending" {
		return
	}
	if m.Status == "" {
		m.Status = "sent"
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.open[m.MessageID]; t != nil {
		delete(x.open, m.MessageID)
		t.End(m.Status)
	}
}

// end ends them with the connection.
func (x *passedTexts) end(alive bool) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	for _, t := range x.open {
		t.Cut(alive)
	}
	clear(x.open)
}

// isConnectPacket reports whether p begins as a CONNECT of namespace /.
func isConnectPacket(p []byte) bool {
	return len(p) >= 2 && p[0] == '4' && p[1] == '0' && (len(p) == 2 || p[2] == '{')
}

// isEvent reports whether p begins as an EVENT of namespace / of that name, which is not
// escaped.
func isEvent(p []byte, name string) bool {
	p, ok := bytes.CutPrefix(p, []byte("42"))
	if !ok {
		return false
	}
	p = bytes.TrimLeft(p, "0123456789") // the acknowledgement's id
	p, ok = bytes.CutPrefix(p, []byte(`["`))
	return ok && bytes.HasPrefix(p, []byte(name+`"`))
}
