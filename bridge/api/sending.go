package api

import (
	"encoding/json"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/send"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
)

// Sender sends what clients write. *send.Sender is one. It is called from many
// goroutines, and does not wait.
type Sender interface {
	Accept(r send.Request) *send.Sending
}

// sendMessage takes a client's text. What becomes of it the Sender tells, and the
// acknowledgement, when it is known.
func (s *Server) sendMessage(c *client, socket *socketio.Socket, e *socketio.Event) {
	var m struct {
		ConversationID   string `json:"conversationId"`
		Content          string `json:"content"`
		MessageID        string `json:"messageId"`
		ReplyToMessageID string `json:"replyToMessageId"`
	}
	f := badRequest("sendMessage takes {conversationId, content, messageId}")
	switch {
	case len(e.Args) == 0 || json.Unmarshal(e.Args[0], &m) != nil:
	case m.ConversationID == "":
	case len(m.ConversationID) > maxID || len(m.MessageID) > maxID || len(m.ReplyToMessageID) > maxID:
		f = badRequest("an id of sendMessage is too long")
	default:
		f = nil
	}
	if f != nil {
		s.acknowledge(e, emitRefusal(socket, e.Name, f))
		return
	}
	sending := s.opts.Sender.Accept(send.Request{
		Workspace: c.principal.Workspace, User: c.principal.User, ID: m.MessageID,
		Conversation: m.ConversationID, Content: m.Content, ReplyTo: m.ReplyToMessageID,
		Tell: func(ev send.Event) { s.tell(c, socket, ev) },
	})
	select {
	case <-sending.Done():
		s.acknowledgeSending(e, sending)
	default:
		s.sendings.Go(func() {
			<-sending.Done()
			s.acknowledgeSending(e, sending)
		})
	}
}

func (s *Server) acknowledgeSending(e *socketio.Event, sending *send.Sending) {
	_, err := sending.Wait(s.hub.Context()) // done
	var refused *fault
	if f, ok := send.AsFault(err); ok {
		refused = &fault{f.Code, f.Message}
	}
	s.acknowledge(e, refused)
}

// Tell tells clients of a message that is being sent; it is what a Sender is given as
// Options.Tell. Safe for concurrent use.
func (s *Server) Tell(ev send.Event) { s.tell(nil, nil, ev) }

// tell is Tell for a message that a client of its own sends, which is told even while
// broadcasts pass it over.
func (s *Server) tell(c *client, socket *socketio.Socket, ev send.Event) {
	p := socketio.NewEvent(hub.Namespace, ev.Name, ev.Payload)
	var fed *hub.Client
	if c != nil {
		fed = c.Client
	}
	reached := false
	switch {
	case ev.Own:
	case ev.Name == contract.Message.String():
		reached = s.hub.BroadcastMessage(fed, ev.Workspace, ev.Conversation, p)
	default:
		reached = s.hub.BroadcastBeside(fed, ev.Workspace, p)
	}
	if !reached && socket != nil {
		_ = socket.Send(p)
	}
}
