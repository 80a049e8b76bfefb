package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio"

	"github.com/golang-jwt/jwt/v5"
)

// chatEngine is a stand-in for ChatEngine, in this process so that it can be
// killed and restored at once. It tells its clients, live and once, what the
// generator wrote, and keeps nothing: who is not connected has missed it. As
// ChatEngine does, it names messages by WhatsApp's ids and leaves participants
// out. It sends nothing to WhatsApp.
//
// Its methods may be called from any goroutine.
type chatEngine struct {
	secret string
	log    *slog.Logger
	addr   string // the same over restarts

	mu      sync.Mutex
	running *chatEngineRun // nil while it is dead
}

// chatEngineRun is the stand-in from a start to the next kill.
type chatEngineRun struct {
	ns      *socketio.Namespace
	sockets *socketio.Server
	server  *http.Server
	served  chan struct{} // closed when the server has ended
}

// startChatEngine starts a stand-in on a free port of 127.0.0.1.
func startChatEngine(secret string, log *slog.Logger) (*chatEngine, error) {
	e := &chatEngine{secret: secret, log: log, addr: "127.0.0.1:0"}
	return e, e.restore()
}

func (e *chatEngine) url() string { return "http://" + e.addr }

// alive reports whether it runs.
func (e *chatEngine) alive() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running != nil
}

// restore starts it, on the port that it had. No-op while it runs.
func (e *chatEngine) restore() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil {
		return nil
	}
	options := socketio.DefaultOptions()
	options.Path, options.Logger = "/api/ws", e.log
	options.CheckOrigin = func(string) bool { return true } // the gateway has checked it
	sockets, err := socketio.New(options)
	if err != nil {
		return fmt.Errorf("start ChatEngine's stand-in: %w", err)
	}
	ln, err := net.Listen("tcp", e.addr)
	if err != nil {
		return errors.Join(fmt.Errorf("start ChatEngine's stand-in: %w", err), sockets.Shutdown(context.Background(), socketio.ShutdownOptions{}))
	}
	e.addr = ln.Addr().String()
	r := &chatEngineRun{
		ns: sockets.Namespace("/"), sockets: sockets, served: make(chan struct{}),
		server: &http.Server{Handler: sockets, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug)},
	}
	r.ns.OnAuth(e.admit)
	r.ns.OnConnect(func(s *socketio.Socket) {
		_ = s.Join(everyone(s.Data().(string)))
		_ = s.Join(unsubscribed(s.Data().(string)))
	})
	r.ns.OnEvent(subscribe)
	go func() {
		defer close(r.served)
		_ = r.server.Serve(ln)
	}()
	e.running = r
	return nil
}

// kill ends it at once: the port is refused, and every connection is closed without a
// packet of Socket.IO. No-op while it is dead.
func (e *chatEngine) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running
	if r == nil {
		return
	}
	e.running = nil
	_ = r.server.Close()
	<-r.served
	gone, cancel := context.WithCancel(context.Background())
	cancel() // nobody is there to be closed in order
	_ = r.sockets.Shutdown(gone, socketio.ShutdownOptions{})
}

// admit checks a token that the demo signed. Its workspace becomes the socket's data.
func (e *chatEngine) admit(_ context.Context, h *socketio.Handshake) (any, error) {
	var auth struct{ Token string }
	if err := json.Unmarshal(h.Auth, &auth); err != nil {
		return nil, &socketio.ConnectError{Message: "auth is no object with a token"}
	}
	var claims struct {
		jwt.RegisteredClaims
		Workspace string `json:"workspace_id"`
	}
	_, err := jwt.ParseWithClaims(auth.Token, &claims, func(*jwt.Token) (any, error) { return []byte(e.secret), nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil || claims.Workspace == "" {
		return nil, &socketio.ConnectError{Message: "invalid token"}
	}
	return claims.Workspace, nil
}

// The rooms of a workspace: all sockets, those without a subscription, those with one
// of a conversation.
func everyone(workspace string) string     { return "all:" + workspace }
func unsubscribed(workspace string) string { return "any:" + workspace }
func about(workspace, conversation string) string {
	return "one:" + workspace + ":" + conversation
}

// ownRooms is how many rooms a socket without a subscription is in.
const ownRooms = 2

// subscribe handles the subscriptions of a client; all else is dropped, as ChatEngine does
// with what it does not know.
func subscribe(s *socketio.Socket, e *socketio.Event) {
	workspace := s.Data().(string)
	var conversation string
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &conversation) != nil || conversation == "" {
		return
	}
	room := about(workspace, conversation)
	switch e.Name {
	case "subscribe:conversation":
		if s.Join(room) == nil {
			s.Leave(unsubscribed(workspace))
		}
	case "unsubscribe:conversation":
		s.Leave(room)
		if len(s.Rooms()) < ownRooms {
			_ = s.Join(unsubscribed(workspace))
		}
	}
}

// emit sends an event to the sockets of some rooms, where it runs.
func (e *chatEngine) emit(kind contract.Kind, payload any, rooms ...string) {
	e.mu.Lock()
	r := e.running
	e.mu.Unlock()
	if r == nil {
		return
	}
	text, err := json.Marshal(payload)
	if err != nil {
		e.log.Error("an event of ChatEngine's stand-in cannot be encoded", "error", err)
		return
	}
	r.ns.Broadcast(socketio.NewEvent("/", kind.String(), text), rooms...)
}

// The four events. They are called once the row is committed, those of one
// conversation's messages in order.

func (e *chatEngine) message(c *chat, m *message) {
	payload := contract.WebSocketMessage{
		ID: m.external, WorkspaceID: c.workspace, ConversationID: c.id, SenderID: m.from(),
		Type: messageTypes[m.kind], Content: m.body, Status: contractStatus(m.status), CreatedAt: timestamp(m.created),
	}
	metadata := map[string]string{"providerMessageId": m.external}
	if m.client != nil {
		metadata["clientMessageId"] = *m.client
	}
	payload.Metadata, _ = json.Marshal(metadata) // strings alone
	if m.url != nil {
		payload.Attachments = []contract.Attachment{{ID: m.external, MessageID: m.external, Type: payload.Type, URL: *m.url}}
	}
	e.emit(contract.Message, payload, unsubscribed(c.workspace), about(c.workspace, c.id))
}

func (e *chatEngine) conversation(c *chat, last *message, updated time.Time) {
	payload := contract.WebSocketConversation{
		ID: c.id, WorkspaceID: c.workspace, ContactID: c.contact, WhatsappNumberID: c.number, Channel: "whatsapp",
		Participants: []contract.Participant{}, UpdatedAt: timestamp(updated),
	}
	if last != nil {
		payload.LastMessage = &contract.LastMessage{ID: last.external, Content: last.body, SenderID: last.from(), CreatedAt: timestamp(last.created)}
	}
	e.emit(contract.Conversation, payload, everyone(c.workspace))
}

func (e *chatEngine) status(c *chat, m *message, word string) {
	e.emit(contract.MessageStatus, contract.MessageStatusUpdate{MessageID: m.external, Status: contractStatus(word), ConversationID: c.id}, everyone(c.workspace))
}

func (e *chatEngine) typing(c *chat, typing bool) {
	e.emit(contract.Typing, contract.TypingUpdate{ConversationID: c.id, UserID: c.contact, IsTyping: typing}, everyone(c.workspace))
}

// messageTypes are the contract's types, where they are another word than the row's or the
// same.
var messageTypes = map[string]string{
	"text": "text", "location": "text", "image": "image", "sticker": "image", "video": "video",
	"audio": "audio", "ptt": "audio", "document": "file",
}

// contractStatus is the contract's word for one that the generator writes.
func contractStatus(word string) string {
	switch word {
	case "sending":
		return "pending"
	case "DELIVERY_ACK", "2":
		return "delivered"
	case "READ", "3":
		return "read"
	}
	return word
}

func timestamp(t time.Time) contract.Timestamp {
	return contract.Timestamp(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
