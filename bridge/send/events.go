package send

import (
	"encoding/json"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/contract"
)

// emit sends an event of a request, by the request's Emit or else the Options'. own: to the
// sender's socket alone.
func (s *Sender) emit(x *Sending, own bool, name string, payload any) {
	tell := x.request.Emit
	if tell == nil {
		tell = s.opts.Emit
	}
	text, err := jsonscan.Marshal(payload)
	if err != nil || tell == nil {
		return // never an error: the payloads are the contract's
	}
	own = own || !shared(x.request.ID)
	tell(Event{Name: name, Payload: text, Workspace: x.request.Workspace, Conversation: x.request.Conversation, Own: own})
}

// emitPending sends the message as ChatEngine does: as pending under the client's id, before
// its outcome is known. A CRM matches its own copy by clientMessageId.
func (s *Sender) emitPending(x *Sending, own bool) {
	r := &x.request
	metadata, _ := jsonscan.Marshal(struct {
		ClientMessageID string `json:"clientMessageId"`
	}{r.ID}) // a text never fails
	s.emit(x, own, contract.Message.String(), contract.WebSocketMessage{
		ID: r.ID, WorkspaceID: r.Workspace, ConversationID: r.Conversation, SenderID: r.User, Type: "text", Content: r.Content,
		ReplyToMessageID: r.ReplyTo, Status: Pending, Metadata: metadata, CreatedAt: Time(x.created),
	})
}

// emitConversation sends the conversation with the message as its last. payload is the
// conversation's event without the message. If it is nil or unreadable nothing is sent: the
// row's own event follows.
func (s *Sender) emitConversation(x *Sending, payload []byte) {
	var c contract.WebSocketConversation
	if json.Unmarshal(payload, &c) != nil || !sameID(c.ID, x.request.Conversation) || c.WorkspaceID != x.request.Workspace {
		return
	}
	if c.Participants == nil {
		c.Participants = []contract.Participant{}
	}
	now := Time(x.created)
	c.LastMessage = &contract.LastMessage{ID: x.request.ID, Content: x.request.Content, SenderID: x.request.User, CreatedAt: now}
	c.UpdatedAt = now
	s.emit(x, false, contract.Conversation.String(), c)
}

// emitStatus sends the message's status under the client's id.
func (s *Sender) emitStatus(x *Sending, own bool, status string) {
	s.emitStatusOf(x, x.request.ID, own, status)
}

// emitStatusOf is emitStatus under another id, such as the row's.
func (s *Sender) emitStatusOf(x *Sending, id string, own bool, status string) {
	s.emit(x, own, contract.MessageStatus.String(), contract.MessageStatusUpdate{
		MessageID: id, Status: status, ConversationID: x.request.Conversation,
	})
}

// emitFault sends the fault to the sender's own socket.
func (s *Sender) emitFault(x *Sending, f *Fault) {
	s.emit(x, true, "error", struct {
		Type    string `json:"type"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}{"sendMessage", f.Code, f.Message})
}

// emitSent sends ChatEngine's messageSent to the sender's own socket.
func (s *Sender) emitSent(x *Sending, r Result) {
	s.emit(x, true, "messageSent", struct {
		MessageID      string `json:"messageId"`
		ConversationID string `json:"conversationId"`
		ExternalID     string `json:"externalId,omitempty"`
	}{r.ID, x.request.Conversation, r.ExternalID})
}
