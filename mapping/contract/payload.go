package contract

import (
	"encoding/json"

	"chatbridge/internal/jsonscan"
)

// The types below are the contract's payloads. The Mapper does not build
// them: it writes their JSON from the rows. They are what the JSON Schema in
// docs/events.schema.json is generated from, what a mapping's members are
// checked against when it is loaded, and what Go clients can decode into.

// Timestamp is a time as JavaScript's toISOString prints it: UTC, milliseconds,
// Z; the year has four digits, or a sign and six.
type Timestamp string

// WebSocketMessage is the argument of the message event.
type WebSocketMessage struct {
	ID               string          `json:"id"`
	WorkspaceID      string          `json:"workspaceId"`
	ConversationID   string          `json:"conversationId"`
	SenderID         string          `json:"senderId"`
	Type             string          `json:"type" jsonschema:"enum=text,enum=image,enum=video,enum=audio,enum=file"`
	Content          string          `json:"content"`
	ReplyToMessageID string          `json:"replyToMessageId,omitempty"`
	Attachments      []Attachment    `json:"attachments,omitempty"`
	Status           string          `json:"status" jsonschema:"enum=pending,enum=sent,enum=delivered,enum=read,enum=failed"`
	Metadata         json.RawMessage `json:"metadata,omitempty" jsonschema:"type=object"`
	CreatedAt        Timestamp       `json:"createdAt"`
	UpdatedAt        Timestamp       `json:"updatedAt,omitempty"`
}

// Attachment is one element of a message's attachments.
type Attachment struct {
	ID           string          `json:"id"`
	MessageID    string          `json:"messageId"`
	Type         string          `json:"type" jsonschema:"enum=image,enum=video,enum=audio,enum=file"`
	URL          string          `json:"url"`
	ThumbnailURL string          `json:"thumbnailUrl,omitempty"`
	Metadata     json.RawMessage `json:"metadata,omitempty" jsonschema:"type=object"`
}

// WebSocketConversation is the argument of the conversation event.
type WebSocketConversation struct {
	ID               string        `json:"id"`
	WorkspaceID      string        `json:"workspaceId"`
	ContactID        string        `json:"contactId,omitempty"`
	WhatsappNumberID string        `json:"whatsappNumberId,omitempty"`
	Channel          string        `json:"channel"`
	Participants     []Participant `json:"participants"`
	LastMessage      *LastMessage  `json:"lastMessage,omitempty"`
	UpdatedAt        Timestamp     `json:"updatedAt"`
}

// Participant is one element of a conversation's participants.
type Participant struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Avatar string `json:"avatar,omitempty"`
}

// LastMessage is the preview of a conversation's newest message.
type LastMessage struct {
	ID        string    `json:"id"`
	Content   string    `json:"content"`
	SenderID  string    `json:"senderId"`
	CreatedAt Timestamp `json:"createdAt"`
}

// MessageStatusUpdate is the argument of the messageStatus event.
type MessageStatusUpdate struct {
	MessageID      string `json:"messageId"`
	Status         string `json:"status" jsonschema:"enum=pending,enum=sent,enum=delivered,enum=read,enum=failed"`
	ConversationID string `json:"conversationId"`
}

// TypingUpdate is the argument of the typing event.
type TypingUpdate struct {
	ConversationID string `json:"conversationId"`
	UserID         string `json:"userId"`
	IsTyping       bool   `json:"isTyping"`
}

// WithClientID returns the payload of a message with metadata.clientMessageId, and as it is
// where it has one or cannot be read.
func WithClientID(payload []byte, id string) []byte {
	var m WebSocketMessage
	metadata := make(map[string]json.RawMessage)
	if json.Unmarshal(payload, &m) != nil || len(m.Metadata) > 0 && json.Unmarshal(m.Metadata, &metadata) != nil || metadata["clientMessageId"] != nil {
		return payload
	}
	var err error
	if metadata["clientMessageId"], err = jsonscan.Marshal(id); err != nil {
		return payload
	}
	if m.Metadata, err = jsonscan.Marshal(metadata); err != nil {
		return payload
	}
	out, err := jsonscan.Marshal(m)
	if err != nil {
		return payload
	}
	return out
}
