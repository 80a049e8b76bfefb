package send

import (
	"fmt"
	"strings"
)

// The values of a Field: members of the message, by name.
const (
	valueID           = "id" // of its row
	valueClientID     = "client_id"
	valueWorkspace    = "workspace"
	valueConversation = "conversation"
	valueUser         = "user"
	valueContent      = "content"
	valueReplyTo      = "reply_to"
)

// Field is a member of a body, or a column of a row, and what goes there.
type Field struct {
	Name string
	// Value names what of the message goes there; empty: Text does.
	Value, Text string
}

// ParseFields reads `name=value`: the value is one of the names above, or a text in
// single quotes.
func ParseFields(texts []string) ([]Field, error) {
	fields := make([]Field, 0, len(texts))
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		f := Field{Name: name, Value: value}
		if quoted, is := strings.CutPrefix(value, "'"); is {
			if f.Value = ""; !strings.HasSuffix(quoted, "'") {
				return nil, fmt.Errorf("%q has no closing quote", text)
			}
			f.Text = strings.TrimSuffix(quoted, "'")
		} else if _, known := (&values{}).of(value); !known {
			return nil, fmt.Errorf("%q is not name=value with one of id, client_id, workspace, conversation, user, content, reply_to or a text in single quotes", text)
		}
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not name=value", text)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// values are what Fields name.
type values struct {
	rowID string
	*Message
}

// of returns a value by its name, "" where the message has none.
func (v *values) of(name string) (value string, known bool) {
	m := v.Message
	if m == nil {
		m = new(Message)
	}
	switch name {
	case valueID:
		return v.rowID, true
	case valueClientID:
		return m.ID, true
	case valueWorkspace:
		return m.Workspace, true
	case valueConversation:
		return m.Conversation, true
	case valueUser:
		return m.User, true
	case valueContent:
		return m.Content, true
	case valueReplyTo:
		return m.ReplyTo, true
	}
	return "", false
}

// get returns what goes into a field; ok is false where the message has none.
func (v *values) get(f Field) (value string, ok bool) {
	if f.Value == "" {
		return f.Text, true
	}
	value, _ = v.of(f.Value)
	return value, value != "" || f.Value == valueContent
}

// args are what goes into fields, nil where the message has nothing.
func (v *values) args(fields []Field) []any {
	args := make([]any, len(fields))
	for i, f := range fields {
		if value, ok := v.get(f); ok {
			args[i] = value
		}
	}
	return args
}
