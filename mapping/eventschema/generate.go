package eventschema

import (
	"encoding/json"
	"fmt"
	"reflect"

	"chatbridge/mapping/contract"

	"github.com/invopop/jsonschema"
)

// ID is the schema's identifier.
const ID = "https://chatbridge.invalid/events.schema.json"

// timePattern is what JavaScript's toISOString prints.
const timePattern = `^(\d{4}|[+-]\d{6})-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$`

// payloads are the events' arguments.
var payloads = []struct {
	kind contract.Kind
	typ  reflect.Type
	text string
}{
	{contract.Message, reflect.TypeFor[contract.WebSocketMessage](), "The argument of the event message."},
	{contract.Conversation, reflect.TypeFor[contract.WebSocketConversation](), "The argument of the event conversation."},
	{contract.MessageStatus, reflect.TypeFor[contract.MessageStatusUpdate](), "The argument of the event messageStatus."},
	{contract.Typing, reflect.TypeFor[contract.TypingUpdate](), "The argument of the event typing."},
}

// Generate returns the schema's text. An event's argument is described by the
// property of the event's name; what it refers to is in $defs.
func Generate() ([]byte, error) {
	root := &jsonschema.Schema{
		Version:     jsonschema.Version,
		ID:          ID,
		Title:       "Events of /api/ws",
		Description: "Each property is named like an event and describes its single argument. Optional members are left out, never null.",
		Type:        "object",
		Properties:  jsonschema.NewProperties(),
		Definitions: jsonschema.Definitions{},
	}
	r := &jsonschema.Reflector{Anonymous: true, DoNotReference: false, Mapper: known}
	for _, p := range payloads {
		s := r.ReflectFromType(p.typ)
		for name, d := range s.Definitions {
			finish(name, d)
			root.Definitions[name] = d
		}
		root.Definitions[p.typ.Name()].Description = p.text
		root.Properties.Set(p.kind.String(), &jsonschema.Schema{Ref: "#/$defs/" + p.typ.Name()})
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("generate the events' schema: %w", err)
	}
	return append(out, '\n'), nil
}

// known describes the types that are more than their Go type.
func known(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[contract.Timestamp]():
		return &jsonschema.Schema{Type: "string", Pattern: timePattern}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object"}
	}
	return nil
}

// finish says what Go types cannot: ids are not empty, and parts that the
// database's JSON is passed on for may have further members.
func finish(name string, s *jsonschema.Schema) {
	if name == "Attachment" || name == "Participant" || name == "LastMessage" {
		s.AdditionalProperties = nil
	}
	one := uint64(1)
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		switch pair.Key {
		case "id", "workspaceId", "conversationId", "messageId", "senderId", "userId", "channel", "url":
			pair.Value.MinLength = &one
		}
	}
}
