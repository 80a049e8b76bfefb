package api

import (
	"encoding/json"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/socketio"
)

// maxID bounds the ids that clients may name, in bytes. The longest in use are
// WhatsApp JIDs of some 40 bytes. A session keeps the ids of its subscriptions.
const maxID = 128

// fault is what went wrong with a client's event: a stable code and a
// sentence for its developer.
type fault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func badRequest(message string) *fault { return &fault{"bad_request", message} }

// answer is the acknowledgement of every event.
type answer struct {
	OK    bool   `json:"ok"`
	Error *fault `json:"error,omitempty"`
}

// handle serves one event of a client (contract of /api/ws, client → server).
// It acknowledges the event if the client asked for that; a fault is sent as an
// error event as well, because the CRM asks for no acknowledgement.
func (s *Server) handle(socket *socketio.Socket, e *socketio.Event) {
	c, ok := socket.Data().(*client)
	if !ok {
		return
	}
	switch e.Name {
	case "sendMessage":
		s.sendMessage(c, socket, e)
	case "markAsRead":
		s.markAsRead(c, socket, e)
	default:
		s.acknowledge(e, s.dispatch(c, socket, e))
	}
}

func (s *Server) acknowledge(e *socketio.Event, f *fault) {
	if e.HasAck() {
		_ = e.Ack(answer{OK: f == nil, Error: f})
	}
	if f != nil {
		s.counters.eventRefused(f.Code)
	}
}

func (s *Server) dispatch(c *client, socket *socketio.Socket, e *socketio.Event) *fault {
	var f *fault
	switch e.Name {
	case "subscribe:conversation":
		f = s.subscribe(c, socket, e)
	case "unsubscribe:conversation":
		var id string
		if id, f = s.conversationID(c, e); f == nil {
			f = s.unsubscribe(c, socket, id)
		}
	case "typing":
		f = s.typing(c, e)
	case "ping":
		_ = socket.Emit("pong", struct {
			Timestamp string `json:"timestamp"`
		}{hub.ContractTime(time.Now())})
	case "auth":
		f = s.reauthenticate(c, socket, e)
	case gateway.SyncEvent:
		f = s.sync(c, e)
	default:
		f = &fault{"unknown_event", "this server knows no event of that name"}
	}
	if f != nil && !f.dropped() {
		_ = socket.Emit("error", f)
	}
	return f
}

// sync answers one of the gateway's own feeds once the feed has been sent all that it
// is owed. Other clients may not use it.
func (s *Server) sync(c *client, e *socketio.Event) *fault {
	if !c.Feed {
		return &fault{"unknown_event", "this server knows no event of that name"}
	}
	if len(e.Args) == 0 || len(e.Args[0]) > maxID {
		return badRequest(e.Name + " takes a number")
	}
	// The texts of which the gateway's client is still to be told after all else.
	texts, err := json.Marshal(s.opts.Sender.Unsettled(c.Workspace))
	if err != nil {
		texts = []byte("[]") // never: they are texts
	}
	more := []byte("false")
	if s.hub.HasClients(c.Workspace) { // they may write texts
		more = []byte("true")
	}
	if !s.hub.Mark(c.Client, socketio.NewEvent("/", gateway.SyncedEvent, e.Args[0], texts, more)) {
		return &fault{"too_many_marks", "wait for the answers to earlier ones"}
	}
	return nil
}

func (s *Server) unsubscribe(c *client, socket *socketio.Socket, id string) *fault {
	if s.hub.Subscribed(c.Client, id) && !s.change(c, socket, func() { s.hub.Unsubscribe(c.Client, id) }) {
		return errReconnect
	}
	return nil
}

// errReconnect is not sent as an error event: the client's connection is being closed.
var errReconnect = &fault{"reconnect", "the connection is closed; connect anew"}

func (s *Server) subscribe(c *client, socket *socketio.Socket, e *socketio.Event) *fault {
	id, f := s.conversationID(c, e)
	if f != nil || s.hub.Subscribed(c.Client, id) {
		return f
	}
	subscribed := false
	if !s.change(c, socket, func() { subscribed = s.hub.Subscribe(c.Client, id) }) {
		return errReconnect
	}
	if !subscribed {
		return &fault{"too_many_subscriptions", "unsubscribe from a conversation before subscribing to another"}
	}
	return nil
}

func (s *Server) conversationID(c *client, e *socketio.Event) (string, *fault) {
	var id string
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &id) != nil || id == "" {
		return "", badRequest(e.Name + " takes a conversation's id, a string")
	}
	if len(id) > maxID {
		return "", badRequest("the conversation's id is too long")
	}
	return s.ConversationID(c.Workspace, id), nil
}

// emitRefusal sends the error event of a request that ChatEngine would have served.
func emitRefusal(socket *socketio.Socket, request string, f *fault) *fault {
	_ = socket.Emit("error", struct {
		Type    string `json:"type"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}{request, f.Code, f.Message})
	return f
}
