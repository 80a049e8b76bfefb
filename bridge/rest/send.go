package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/send"
	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/contract"
)

const (
	// maxBody bounds the body of a request that sends, in bytes.
	maxBody = 256 << 10
	// sendTimeout is how long a message's result is waited for. It is on its way after
	// that as well.
	sendTimeout = 25 * time.Second
)

// send sends a text, as sendMessage of a socket does.
func (x *exchange) send() {
	var m struct {
		ConversationID   string            `json:"conversationId"`
		Type             string            `json:"type"`
		Content          string            `json:"content"`
		ReplyToID        string            `json:"replyToId"`
		ReplyToMessageID string            `json:"replyToMessageId"`
		ClientMessageID  string            `json:"clientMessageId"`
		MessageID        string            `json:"messageId"` // as sendMessage has it
		AttachmentID     string            `json:"attachmentId"`
		Attachments      []json.RawMessage `json:"attachments"`
	}
	text, err := x.readBody()
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	var large *http.MaxBytesError
	if m.ReplyToID == "" {
		m.ReplyToID = m.ReplyToMessageID
	}
	if m.ClientMessageID == "" {
		m.ClientMessageID = m.MessageID
	}
	switch {
	case errors.As(err, &large):
		x.fail(http.StatusRequestEntityTooLarge, "the request's body is too large", "")
		return
	case err != nil:
		x.fail(http.StatusBadRequest, "the request's body is no JSON of a message", wordsSend)
		return
	case m.ConversationID == "" || m.Content == "" && len(m.Attachments) == 0 && m.AttachmentID == "":
		x.fail(http.StatusBadRequest, "conversationId or content is missing", wordsSend)
		return
	case m.Type != "" && m.Type != "text" || len(m.Attachments) > 0 || m.AttachmentID != "":
		x.fail(http.StatusServiceUnavailable, "only texts can be sent while the chat server is down", "")
		return
	case max(len(m.ConversationID), len(m.ReplyToID), len(m.ClientMessageID)) > maxID:
		x.fail(http.StatusBadRequest, "an id is too long", "")
		return
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), sendTimeout)
	defer cancel()
	p := &x.principal
	if written := x.h.opts.ConversationID; written != nil {
		m.ConversationID = written(p.Workspace, m.ConversationID)
	}
	result, err := x.h.opts.Sender.Send(ctx, send.Request{
		Workspace: p.Workspace, User: p.User, Session: x.session, ID: m.ClientMessageID,
		Conversation: m.ConversationID, Content: m.Content, ReplyTo: m.ReplyToID,
	})
	if fault, ok := send.AsFault(err); ok {
		x.fault(fault)
		return
	}
	sender := p.User
	if sender == "" {
		sender = "me"
	}
	// Any other error is ctx's: the message is on its way, as pending.
	x.sent(result, contract.WebSocketMessage{
		ID: result.ID, WorkspaceID: p.Workspace, ConversationID: m.ConversationID, SenderID: sender, Type: "text",
		Content: m.Content, ReplyToMessageID: m.ReplyToID, Status: result.Status, CreatedAt: send.Time(result.CreatedAt),
	})
}

// readBody reads the request's body.
func (x *exchange) readBody() ([]byte, error) {
	control := http.NewResponseController(x.w)
	_ = control.SetReadDeadline(time.Now().Add(x.h.opts.WriteTimeout)) // one that cannot is a test's
	text, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	if err == nil {
		x.unread = false
		x.w.Header().Del("Connection")
		_ = control.SetReadDeadline(time.Time{})
	}
	return text, err
}

// sent answers with the message as a GET will have it, as far as it is known.
func (x *exchange) sent(result send.Result, m contract.WebSocketMessage) {
	switch {
	case x.h.opts.ChatEngineIDs && result.ExternalID != "":
		m.ID = result.ExternalID
	case !x.h.opts.ChatEngineIDs && result.RowID != "":
		m.ID = result.RowID
	}
	metadata := map[string]string{"clientMessageId": result.ID}
	if result.ExternalID != "" {
		metadata["providerMessageId"] = result.ExternalID
	}
	m.Metadata, _ = jsonscan.Marshal(metadata) // texts never fail
	text, err := jsonscan.Marshal(m)
	if err != nil {
		x.fail(http.StatusInternalServerError, "the message cannot be shown", "")
		return
	}
	x.object(http.StatusCreated, text)
}

// faultStatus are the statuses of faults; of others 503.
var faultStatus = map[string]int{
	send.CodeBadRequest: http.StatusBadRequest, send.CodeConversation: http.StatusNotFound, send.CodeRate: http.StatusTooManyRequests,
	send.CodeSession: http.StatusForbidden, send.CodeExpired: http.StatusUnauthorized, send.CodeReused: http.StatusConflict,
	send.CodeFailed: http.StatusBadGateway, send.CodeUnknown: http.StatusGatewayTimeout,
}

// fault answers where a message has failed.
func (x *exchange) fault(f *send.Fault) {
	status := faultStatus[f.Code]
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	message := f.Message
	if f.Code == send.CodeExpired { // the Sender speaks of sockets
		message = "the session has expired; send the request again with a fresh token"
	}
	words := message
	if f.Code == send.CodeConversation {
		words = wordsUnknown
	}
	x.answer(status, access.Body{Message: message, Error: words, Reason: f.Code})
}
