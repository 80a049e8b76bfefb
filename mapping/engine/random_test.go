package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/eventschema"
	"chatbridge/source"
)

// oddValues are what a column may hold that nobody expects.
var oddValues = []string{
	"", "x", "t", "f", "true", "null", "NULL", "0", "-1", "NaN", "infinity", "2026-02-05 18:58:02.123456+00", "2026-02-05T18:58:02Z", "0044-03-15 BC", "{}", "[]",
	`{"a": null}`, `[{"id": null}, null]`, `{"providerMessageId": null, "createdAt": "2026-02-05 18:58:02+00"}`, `"\ud800"`, `{"a": `, "\x00\x1f\"\\", "\xff\xfe", "READ",
	"5511987654321", "5511987654321@s.whatsapp.net", "c1", "m1", "ct1", "w1", "😀",
}

// randomSteps makes a transaction of rows that hold anything anywhere.
func randomSteps(r *rand.Rand, spec *mapping.Spec) []step {
	var steps []step
	for range 1 + r.IntN(8) {
		table := spec.Tables()[r.IntN(len(spec.Tables()))]
		row := func() fields {
			f := fields{}
			for i, c := range table.Columns {
				switch n := r.IntN(12); {
				case n == 0:
					f[c.Name] = nil
				case n == 1:
					f[c.Name] = unchanged
				case n == 2:
					f[c.Name] = absent
				case n == 3 && r.IntN(4) == 0:
					// the table lacks the column
				case c.Required && r.IntN(8) > 0:
					f[c.Name] = fmt.Sprint(c.Name[:1], r.IntN(3))
				default:
					f[c.Name] = oddValues[(i+r.IntN(4)*7+r.IntN(2))%len(oddValues)]
				}
			}
			return f
		}
		s := step{op: source.Op(1 + r.IntN(4)), table: table.Name}
		if s.op != source.Delete && s.op != source.Truncate {
			s.new = row()
		}
		if s.op == source.Delete || s.op == source.Update && r.IntN(2) == 0 {
			s.old = row()
		}
		steps = append(steps, s)
	}
	return steps
}

// Whatever the rows hold: no panic, every payload is valid JSON in the
// contract's shape, nothing goes to nobody, indexes rise, and a Mapper that
// remembers nothing gives the same event the same index.
func TestRandomRows(t *testing.T) {
	t.Parallel()
	v, err := eventschema.New()
	if err != nil {
		t.Fatal(err)
	}
	where, err := mapping.Parse("crm", "where", []byte("message: {where: {not: {column: body, in: [x, '{}', null]}}}"))
	if err != nil {
		t.Fatal(err)
	}
	specs := map[string]*mapping.Spec{"where": where}
	for _, preset := range mapping.Presets() {
		specs[preset] = load(t, preset)
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events := 0
			for seed := range uint64(40) {
				r := rand.New(rand.NewPCG(seed, 1))
				o := engine.Options{BatchRows: 1 + r.IntN(6), RememberRows: 1, RememberMessages: 3}
				if seed%2 == 0 {
					o.Lookup = &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "message", true, message)}}
				}
				w := newWorld(t, spec, o)
				w.identity = []source.Identity{source.IdentityFull, source.IdentityDefault}[seed/2%2]
				for range 20 {
					steps := randomSteps(r, spec)
					got := w.tx(steps...)
					events += len(got)
					checkEvents(t, v, got)
					fresh := newWorld(t, spec, o)
					fresh.identity = w.identity
					checkIndexes(t, got, fresh.tx(steps...))
				}
			}
			if events < 150 { // conditions leave out many
				t.Errorf("only %d events: the rows are too odd to test anything", events)
			}
		})
	}
}

func checkEvents(t *testing.T, v *eventschema.Validator, events []contract.Event) {
	t.Helper()
	var last uint32
	for _, e := range events {
		if e.Index <= last {
			t.Errorf("index %d after %d", e.Index, last)
		}
		last = e.Index
		if len(e.Workspace) == 0 || len(e.Conversation) == 0 {
			t.Errorf("%s for nobody: %q %q", e.Kind, e.Workspace, e.Conversation)
		}
		if !json.Valid(e.Payload) {
			t.Fatalf("%s: %s", e.Kind, e.Payload)
		}
		// Ids of the database may be anything, and what it holds as jsonb is
		// passed on; what we write ourselves must fit.
		if err := v.Validate(e.Kind.String(), e.Payload); err != nil && (e.Kind == contract.MessageStatus || e.Kind == contract.Typing) {
			t.Errorf("%s: %v", e.Payload, err)
		}
	}
}

// checkIndexes holds events of two Mappers against each other: what both made
// has the same index.
func checkIndexes(t *testing.T, a, b []contract.Event) {
	t.Helper()
	at := map[uint32]contract.Event{}
	for _, e := range a {
		at[e.Index] = e
	}
	for _, e := range b {
		if o, ok := at[e.Index]; ok && (o.Kind != e.Kind || string(o.Conversation) != string(e.Conversation)) && e.Kind != contract.Conversation {
			t.Errorf("index %d is %s of %q, and %s of %q", e.Index, o.Kind, o.Conversation, e.Kind, e.Conversation)
		}
	}
}
