package mapping_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatbridge/mapping"

	"github.com/google/go-cmp/cmp"
)

// Every error names the file, the line and the nearest accepted word.
func TestErrorsOfAMapping(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, yaml, want string }{
		{"a section", "mesage: {}", `m.yaml:1: a mapping has no "mesage": did you mean "message"?`},
		{"a key", "message:\n  keys: id", `m.yaml:2: message has no "keys": did you mean "key"?`},
		{"a member", "message:\n  members:\n    contents: body", `m.yaml:3: message has no "contents": did you mean "content"?`},
		{"a member of an attachment", "message:\n  members:\n    attachments:\n      array:\n        - object: {id: id, messageId: id, type: {const: file}, uri: media_url}", `m.yaml:5: message.attachments has no "uri": did you mean "url"?`},
		{"an expression", "message:\n  members:\n    type: {colum: type}", `m.yaml:3: an expression has no "colum": did you mean "column"?`},
		{"two heads", "message:\n  members:\n    type: {column: type, const: text}", `m.yaml:3: "column" and "const" cannot stand side by side`},
		{"what stands beside", "message:\n  members:\n    content: {column: body, word: {a: b}}", `m.yaml:3: an expression with column has no "word": did you mean "words"?`},
		{"a word", "message:\n  members:\n    status: {column: status, words: {delivrd: [x]}, else: {const: sent}}", `m.yaml:3: "delivrd" is not accepted: did you mean "delivered"?`},
		{"a word table", "message:\n  members:\n    status: {column: status, words: statos, else: {const: sent}}", `m.yaml:3: there is no word table "statos": did you mean "status"?`},
		{"a word that leads to two", "words:\n  status:\n    read: [x]\n    failed: [X]", `m.yaml:4: the word "x" leads to both "read" and "failed"`},
		{"a constant", "message:\n  members:\n    type: {const: sticker}", `m.yaml:3: type cannot be "sticker": there are text, image, video, audio, file`},
		{"a constant of another form", "conversation:\n  members:\n    participants: {const: none}", `m.yaml:3: participants is a list, not text`},
		{"a shape", "message:\n  members:\n    senderId: [{column: sender_jid, shape: fone}, {const: me}]", `m.yaml:3: there is no shape "fone": did you mean "phone"?`},
		{"a unit", "message:\n  members:\n    createdAt: {time: created_at, unit: secs}", `m.yaml:3: there is no unit "secs": `},
		{"a unit of nothing", "conversation:\n  members:\n    lastMessage: {json: last_message, unit: seconds}", "m.yaml:3: `unit:` is that of `times:`, which is missing"},
		{"a form", "message:\n  members:\n    senderId: [{column: sender_jid, as: phones}, {const: me}]", `m.yaml:3: nothing can be written as "phones": did you mean "phone"?`},
		{"a beginning", "message:\n  members:\n    senderId: [{column: sender_jid, begins: ''}, {const: me}]", "m.yaml:3: `begins:` takes the text that a value begins with"},
		{"kept in a conversation", "conversation:\n  members:\n    contactId: {kept: contact_id}", "m.yaml:3: `kept:` is for members of message"},
		{"kept of another table", "message:\n  members:\n    senderId: [{kept: contact.phone}, {const: me}]", "m.yaml:3: `kept:` reads columns of the message alone"},
		{"a pattern", "message:\n  members:\n    senderId: {column: sender_jid, matches: '('}", "m.yaml:3: `matches:` is not a regular expression"},
		{"a table of a column", "message:\n  members:\n    senderId: contacts.phone", `m.yaml:3: there is no table "contacts" to take "phone" from: did you mean "contact"?`},
		{"a member that is referred to", "message:\n  members:\n    replyToMessageId: {member: idd}", `m.yaml:3: there is no member "message.idd": did you mean "message.id"?`},
		{"a member that refers to itself", "message:\n  members:\n    id: {member: message.senderId}\n    senderId: {member: message.id}", "refers to itself"},
		{"a time as text", "message:\n  members:\n    createdAt: created_at", "m.yaml:3: createdAt is a time: write {time: created_at}"},
		{"a list as text", "message:\n  members:\n    attachments: files", "m.yaml:3: attachments is a list: write {json: files}, or build it with array and object"},
		{"a boolean as text", "typing:\n  members:\n    isTyping: is_typing", "m.yaml:3: isTyping is true or false: write {bool: is_typing}"},
		{"a required member taken away", "message:\n  members:\n    senderId: null", `message needs the member "senderId"`},
		{"a section taken away", "message: null", "the section `message:` is missing"},
		{"unknown", "conversation:\n  unknown: maybe", "m.yaml:2: `unknown:` is changed or unchanged, not \"maybe\""},
		{"last_message", "conversation:\n  last_message: latest", "m.yaml:2: `last_message:` is newest or inserted, not \"latest\""},
		{"changes", "conversation:\n  changes: contact_id", "m.yaml:2: `changes:` takes a list of columns"},
		{"a reference without by", "references:\n  agent: {table: public.agents, key: id}", "m.yaml:2: reference agent needs `by:`"},
		{"a reference by another", "references:\n  agent: {table: public.agents, key: id, by: contact.agent_id}", "m.yaml:2: `by:` takes a column of message or conversation"},
		{"a reference with a taken name", "references:\n  message: {table: public.x, key: id, by: message.x}", "a reference cannot be called \"message\""},
		{"a table twice", "references:\n  agent: {table: public.contacts, key: id, by: message.agent}", "public.contacts is the table of contact already"},
		{"a condition", "message:\n  members:\n    content: {if: {colum: body}, then: body, else: {const: ''}}", `m.yaml:3: a condition has no "colum": did you mean "column"?`},
		{"a condition of messages on another table", "message:\n  where: {column: contact.is_real, is: true}", "m.yaml:2: `where:` of message is asked of the database too"},
		{"a condition of messages that no database knows", "message:\n  where: {column: sender_jid, shape: phone}", "m.yaml:2: `where:` of message is asked of the database too"},
		{"a key of one in a list", "message: {key: [id]}", "m.yaml:1: `key:` takes the name of a column, or a list of several"},
		{"a place without a path", "message: {conversation: {column: data}}", "m.yaml:1: `conversation:` takes the name of a column, or {column: name, path: a.b}"},
		{"a conversation of several columns", "message: {conversation: [a, b]}", "m.yaml:1: `conversation:` takes the name of a column"},
		{"join without with", "message: {members: {id: {join: [id, body]}}}", "m.yaml:1: `join:` needs `with:`"},
		{"each of one row", "message: {members: {attachments: {each: contact, give: {object: {id: contact.id}}}}}", "m.yaml:1: `each:` takes, in message, a reference with `message:`"},
		{"is and in", "message: {where: {column: body, is: a, in: [b]}}", "m.yaml:1: `is:` and `in:` are one too many"},
		{"each without give", "message: {members: {attachments: {each: file}}}\nreferences: {file: {table: files, key: id, workspace: w, message: m}}", "m.yaml:1: `each:` needs `give:`"},
		{"several rows in a conversation", "conversation: {members: {contactId: file.id}}\nreferences: {file: {table: files, key: id, workspace: w, message: m}}", "m.yaml:2: conversation.contactId reads file, of which a message has several rows"},
		{"several rows of any workspace", "references: {file: {table: files, key: id, message: m}}", "m.yaml:1: reference file needs `workspace:`"},
		{"if without then", "message:\n  members:\n    content: {if: body, else: body}", "m.yaml:3: `if:` needs `then:`"},
		{"a key twice", "message:\n  members:\n    content: body\n    content: text", `m.yaml:4: "content" is given twice`},
		{"no YAML", "message: [", "m.yaml:1:"},
		{"no mapping", "- a", "m.yaml:1: a mapping starts with sections"},
		{"order is missing", "message:\n  newest_by: null", "so message needs `newest_by:`"},
		{"a replacement that is not whole", "replace: true\nmessage: {table: a.b}", "m.yaml:1: the section `conversation:` is missing"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := mapping.Parse("crm", "m.yaml", []byte(c.yaml))
			var wrong *mapping.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:\n%v\nwant:\n%s", err, c.want)
			}
			for _, p := range wrong.Problems {
				if p.File == "" || p.Line == 0 || p.Text == "" {
					t.Errorf("incomplete: %+v", p)
				}
			}
		})
	}
}

// All that is wrong is said at once, in the order of the lines.
func TestErrorsComeTogether(t *testing.T) {
	t.Parallel()
	_, err := mapping.Parse("crm", "m.yaml", []byte("message:\n  members:\n    content: {colum: a}\n    senderId: {shap: b}\n    contents: x"))
	if err == nil || strings.Count(err.Error(), "m.yaml:") != 3 {
		t.Errorf("got:\n%v", err)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, preset := range mapping.Presets() {
		spec := load(t, preset)
		if tables := spec.Tables(); tables[0].Role != "message" || tables[1].Role != "conversation" || !tables[0].Stream {
			t.Errorf("%s: %+v", preset, tables)
		}
	}
	if _, err := mapping.Load("crn", ""); err == nil || !strings.Contains(err.Error(), `did you mean "crm"?`) {
		t.Errorf("got %v", err)
	}
	if _, err := mapping.Load("crm", filepath.Join(t.TempDir(), "missing.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(file, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if spec, err := mapping.Load("crm", file); err != nil || len(spec.Tables()) != 3 {
		t.Errorf("an empty file changed the preset: %v", err)
	}
	// A preset, written to a file that stands alone, is the preset.
	text, err := mapping.Preset("crm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "\nreplace: true\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	spec, err := mapping.Load("unused", file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(columns(load(t, "crm")), columns(spec)); diff != "" {
		t.Error(diff)
	}
}

func load(tb testing.TB, preset string) *mapping.Spec {
	tb.Helper()
	spec, err := mapping.Load(preset, "")
	if err != nil {
		tb.Fatal(err)
	}
	return spec
}

func columns(spec *mapping.Spec) map[string][]string {
	out := map[string][]string{}
	for _, t := range spec.Tables() {
		for _, c := range t.Columns {
			out[t.Schema+"."+t.Name] = append(out[t.Schema+"."+t.Name], c.Name)
		}
	}
	return out
}

// Against the real columns: what the operator names must be there; what only
// the preset names costs its members.
func TestCheck(t *testing.T) {
	t.Parallel()
	all := columns(load(t, "crm"))
	without := func(table string, names ...string) func(string, string) []string {
		return func(schema, name string) []string {
			have := all[schema+"."+name]
			if schema+"."+name != table {
				return have
			}
			return slices.DeleteFunc(slices.Clone(have), func(c string) bool { return slices.Contains(names, c) || len(names) == 0 })
		}
	}
	cases := []struct {
		name, yaml      string
		columns         func(string, string) []string
		warning, mishap string
	}{
		{"all there", "", without("x"), "", ""},
		{"an optional column", "", without("public.messages", "media_url"), `preset crm:`, ""},
		{"what goes without", "", without("public.messages", "media_url"), "; without it goes message.attachments, message.attachments.url", ""},
		{"the text of messages", "", without("public.messages", "body"), "", "every message would go out without its content"},
		{"the time of messages", "", without("public.messages", "created_at"), "", "every message would go out without its createdAt"},
		{"no text by intent", "message:\n  members:\n    content: {const: \"\"}", without("public.messages", "body"), "", ""},
		{"a required column", "", without("public.messages", "workspace_id"), "", `public.messages has no column "workspace_id"`},
		{"a column of where", "message: {where: {column: boddy, is: x}}", without("x"), "", `m.yaml:1: public.messages has no column "boddy": did you mean "body"?`},
		{"a column that feeds the last message too", "", without("public.messages", "sender_jid"), "without it goes message.senderId, conversation.lastMessage", ""},
		{"the operator's column", "message:\n  members:\n    content: [boddy, body]", without("x"), "", `m.yaml:3: public.messages has no column "boddy": did you mean "body"?`},
		{"a table of contacts", "", without("public.contacts"), "there is no table public.contacts, which the mapping has as contact: what it feeds goes without: ", ""},
		{"a table of messages", "", without("public.messages"), "", "there is no table public.messages"},
		{"the operator's reference", "references:\n  agent: {table: agents, key: id, by: message.sent_by_user_id}", without("x"), "", "m.yaml:2: there is no table public.agents"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spec, err := mapping.Parse("crm", "m.yaml", []byte(c.yaml))
			if err != nil {
				t.Fatal(err)
			}
			warnings, err := spec.Check(c.columns)
			var said []string
			for _, w := range warnings {
				said = append(said, w.String())
			}
			if got := strings.Join(said, "\n"); !strings.Contains(got, c.warning) || (c.warning == "") != (got == "") {
				t.Errorf("warnings: %s\nwant: %s", got, c.warning)
			}
			if (err != nil) != (c.mishap != "") || err != nil && !strings.Contains(err.Error(), c.mishap) {
				t.Errorf("error: %v\nwant: %s", err, c.mishap)
			}
		})
	}
}

// TestWarningsListSomething: whatever is missing, no warning has a list with nothing in it.
func TestWarningsListSomething(t *testing.T) {
	t.Parallel()
	for _, preset := range mapping.Presets() {
		spec, err := mapping.Load(preset, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, missing := range spec.Tables() {
			for _, column := range append([]mapping.Column{{}}, missing.Columns...) {
				warnings, _ := spec.Check(func(schema, table string) []string {
					var have []string
					for _, other := range spec.Tables() {
						if other.Schema != schema || other.Name != table || column.Name == "" && other.Role == missing.Role {
							continue
						}
						for _, c := range other.Columns {
							if c.Name != column.Name {
								have = append(have, c.Name)
							}
						}
					}
					return append(have, "another")
				})
				for _, w := range warnings {
					if strings.HasSuffix(w.String(), "without it goes ") || strings.HasSuffix(w.String(), ": ") {
						t.Errorf("%s without %s.%s: %s", preset, missing.Name, column.Name, w)
					}
				}
			}
		}
	}
}
