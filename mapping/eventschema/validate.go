package eventschema

import (
	"bytes"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validator holds payloads against the schema. It is safe for concurrent use.
type Validator struct{ kinds map[string]*jsonschema.Schema }

// New compiles the schema that Generate returns.
func New() (*Validator, error) {
	text, err := Generate()
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the events' schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(ID, doc); err != nil {
		return nil, fmt.Errorf("add the events' schema: %w", err)
	}
	v := &Validator{kinds: map[string]*jsonschema.Schema{}}
	for _, p := range payloads {
		s, err := c.Compile(ID + "#/properties/" + p.kind.String())
		if err != nil {
			return nil, fmt.Errorf("compile the events' schema: %w", err)
		}
		v.kinds[p.kind.String()] = s
	}
	return v, nil
}

// Validate says what is wrong with the payload of an event of that name, such
// as message.
func (v *Validator) Validate(event string, payload []byte) error {
	s := v.kinds[event]
	if s == nil {
		return fmt.Errorf("there is no event %q", event)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("payload of %s is not JSON: %w", event, err)
	}
	if err := s.Validate(doc); err != nil {
		return fmt.Errorf("payload of %s: %w", event, err)
	}
	return nil
}
