package mapping_test

import (
	"errors"
	"strings"
	"testing"

	"chatbridge/mapping"
)

// The start and check refuse a time from a column of numbers without a unit,
// and say what to write.
func TestCheckTypes(t *testing.T) {
	t.Parallel()
	const own = "message:\n  members:\n    createdAt: [{time: created_at}, {commit: time}]\n"
	types := func(of map[string]string) func(string, string, string) string {
		return func(schema, table, column string) string { return of[schema+"."+table+"."+column] }
	}
	cases := []struct{ name, yaml, column, kind, want string }{
		{"a time", "", "public.messages.created_at", "timestamp with time zone", ""},
		{"text", "", "public.messages.created_at", "text", ""},
		{"not known", "", "public.messages.created_at", "", ""},
		{"the preset's column", "", "public.messages.created_at", "bigint", "preset crm:"},
		{"the remedy", "", "public.messages.created_at", "bigint", "public.messages.created_at is a number (bigint): say what it counts since 1970, such as {time: created_at, unit: seconds}; there are seconds, milliseconds, microseconds"},
		{"the operator's", own, "public.messages.created_at", "int8", "m.yaml:3: "},
		{"numeric", own, "public.messages.created_at", "numeric(20,0)", "m.yaml:3: "},
		{"a float", own, "public.messages.created_at", "double precision", "m.yaml:3: "},
		{"of a conversation", "", "public.conversations.updated_at", "integer", "public.conversations.updated_at is a number"},
		{"with a unit", "message: {members: {createdAt: {time: created_at, unit: seconds}}}\nconversation: {members: {updatedAt: [{time: [updated_at, message.created_at], unit: seconds}]}}", "public.messages.created_at", "bigint", ""},
		{"in a list", "message: {members: {createdAt: {time: [{first: [sent_at, created_at]}]}}}", "public.messages.sent_at", "bigint", "m.yaml:1: public.messages.sent_at"},
		{"not a time", "", "public.messages.size_bytes", "bigint", ""},
	}
	for _, c := range cases {
		spec, err := mapping.Parse("crm", "m.yaml", []byte(c.yaml))
		if err != nil {
			t.Fatal(err)
		}
		err = spec.CheckTypes(types(map[string]string{c.column: c.kind}))
		var wrong *mapping.Error
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		case c.want != "" && len(wrong.Problems) != 1:
			t.Errorf("%s: said more than once: %v", c.name, err)
		}
	}
}

// TestConditionsThatNeverHold: a word that a column's type never is, is said.
func TestConditionsThatNeverHold(t *testing.T) {
	t.Parallel()
	typeOf := func(_, _, column string) string {
		return map[string]string{"is_outgoing": "boolean", "whatsapp_number_id": "uuid", "duration_ms": "integer", "status": "text"}[column]
	}
	for condition, want := range map[string]string{
		"{column: is_outgoing, is: true}":                                                   "",
		"{column: is_outgoing, is: yes}":                                                    `public.messages.is_outgoing is boolean, and is never "yes": it is written true or false, without quotes; the condition never holds`,
		"{column: is_outgoing, in: [null, no]}":                                             `is never "no"`,
		"{column: status, in: []}":                                                          "lists nothing: the condition never holds",
		"{column: status, is: whatever}":                                                    "",
		"{column: whatsapp_number_id, is: main}":                                            `is never "main"`,
		"{column: whatsapp_number_id, is: 0b8f4f0e-8c5e-4c1c-9d25-5a4c3a3f6a10}":            "",
		"{column: whatsapp_number_id, is: 0B8F4F0E-8C5E-4C1C-9D25-5A4C3A3F6A10}":            "in lower case",
		"{column: duration_ms, in: [1, 20]}":                                                "",
		"{column: duration_ms, is: long}":                                                   `is never "long"`,
		"{any: [{column: is_outgoing, is: true}, {not: {column: is_outgoing, is: 'yes'}}]}": `is never "yes"`,
	} {
		spec, err := mapping.Parse("crm", "m.yaml", []byte("message: {where: "+condition+"}"))
		if err != nil {
			t.Fatal(condition, err)
		}
		var said []string
		for _, p := range spec.CheckConditions(typeOf) {
			said = append(said, p.String())
		}
		if got := strings.Join(said, "\n"); !strings.Contains(got, want) || (want == "") != (got == "") || want != "" && !strings.Contains(got, "m.yaml:1") {
			t.Errorf("%s: %s\nwant: %s", condition, got, want)
		}
	}
	for _, preset := range mapping.Presets() {
		spec, err := mapping.Load(preset, "")
		if err != nil {
			t.Fatal(err)
		}
		if problems := spec.CheckConditions(func(_, _, _ string) string { return "" }); len(problems) != 0 {
			t.Errorf("%s: %v", preset, problems)
		}
	}
}
