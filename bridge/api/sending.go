package api

import (
	"context"
	"encoding/json"
	"sync"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/send"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
)

// Sender sends what clients write. *send.Sender is one. It is called from many
// goroutines.
type Sender interface {
	// Accept takes a message. It does not wait for the result.
	Accept(r send.Request) *send.Sending
	// MarkRead marks a conversation as read, or returns why not. It waits for the answer.
	MarkRead(ctx context.Context, r *send.ReadRequest) *send.Fault
	// Failures returns the events about failed messages for a client that connects.
	Failures(workspace, user string) []send.Event
	// Unsettled returns the ids of the workspace's texts of which clients may still be told.
	Unsettled(workspace string) []string
	// NeedsSession reports whether messages are sent with clients' session tokens.
	NeedsSession() bool
}

// sendings are the goroutines that wait for the results of clients' requests to the Sender.
type sendings struct {
	mu    sync.Mutex
	ended bool
	wait  sync.WaitGroup
}

// run runs f on a goroutine, unless the Server has ended: then no client is left to answer.
func (s *sendings) run(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.wait.Go(f)
	}
}

func (s *sendings) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.wait.Wait()
}

// sessionOf returns the session token that a client has shown, if the Sender needs it.
func (s *Server) sessionOf(p auth.Principal, token string) send.Session {
	if p.Kind != auth.Supabase || !s.opts.Sender.NeedsSession() {
		return send.Session{}
	}
	return send.Session{Token: token, Expires: p.Expires}
}

// tellFailures tells a client that connects of messages that have failed while it may
// have been away; also one of the gateway's feeds, for its client.
func (s *Server) tellFailures(c *client, socket *socketio.Socket) {
	for _, ev := range s.opts.Sender.Failures(c.Workspace, c.principal.User) {
		s.tell(nil, socket, ev)
	}
}

// markAsRead marks a conversation as read, as far as that is possible here.
func (s *Server) markAsRead(c *client, socket *socketio.Socket, e *socketio.Event) {
	var m struct {
		ConversationID string `json:"conversationId"`
	}
	if len(e.Args) > 0 {
		_ = json.Unmarshal(e.Args[0], &m) // a payload of another shape names none
	}
	r := &send.ReadRequest{Workspace: c.principal.Workspace, User: c.principal.User, Conversation: m.ConversationID, Session: c.session}
	if len(m.ConversationID) > maxID {
		r.Conversation = ""
	}
	s.sendings.run(func() {
		r.Conversation = s.ConversationID(r.Workspace, r.Conversation)
		if f := s.opts.Sender.MarkRead(s.hub.Context(), r); f != nil {
			s.acknowledge(e, emitRefusal(socket, e.Name, &fault{f.Code, f.Message}))
			return
		}
		_ = socket.Emit("markedAsRead", struct {
			ConversationID string `json:"conversationId"`
		}{r.Conversation})
		s.acknowledge(e, nil)
	})
}

// sendMessage takes a client's text. The Sender's events, and the acknowledgement, tell the
// result once it is known.
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
		Workspace: c.principal.Workspace, User: c.principal.User, Session: c.session, ID: m.MessageID,
		Conversation: s.ConversationID(c.principal.Workspace, m.ConversationID), Content: m.Content, ReplyTo: m.ReplyToMessageID,
		Emit: func(ev send.Event) { s.tell(c, socket, ev) },
	})
	select {
	case <-sending.Done():
		s.acknowledgeSending(e, sending)
	default:
		s.sendings.run(func() {
			<-sending.Done()
			s.acknowledgeSending(e, sending)
		})
	}
}

func (s *Server) acknowledgeSending(e *socketio.Event, sending *send.Sending) {
	_, err := sending.Wait(context.Background()) // it is done
	var refused *fault
	if f, ok := send.AsFault(err); ok {
		refused = &fault{f.Code, f.Message}
	}
	s.acknowledge(e, refused)
}

// Tell sends clients an event about a message that is being sent. A Sender gets it as
// send.Options.Emit. Safe for concurrent use.
func (s *Server) Tell(ev send.Event) { s.tell(nil, nil, ev) }

// tell is Tell for an event about a message that the client c, with this socket, has sent: c
// gets it even while broadcasts leave c out. Both may be nil.
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
