package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMap(t *testing.T) {
	row := `{"id": "m1", "workspace_id": "w", "conversation_id": "c", "body": "<b>", "status": "odd"}`
	code, out, errs := cli(t, row, "map", "--preset", "crm", "--table", "messages")
	if code != exitDone || strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, `{"event":"message","workspace":"w","conversation":"c","data":{"id":"m1",`) ||
		!strings.Contains(out, `"content":"<b>"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if !strings.Contains(errs, "warning: unknown_word: public.messages") {
		t.Errorf("stderr %q", errs)
	}
}

func TestMapRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(file, []byte("message:\n  members:\n    contents: body\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, in, want string
		code           int
		args           []string
	}{
		{"a mapping that is wrong", "", `own.yaml:3: message has no "contents": did you mean "content"?`, exitUsage, []string{"--file", file}},
		{"a preset that is none", "", `did you mean "crm"?`, exitUsage, []string{"--preset", "crn"}},
		{"an unknown table", "{}", `no table "mesages"`, exitFailed, []string{"--table", "mesages"}},
		{"a row that is none", "17", "row 1: a row is a JSON object", exitFailed, []string{"--table", "messages"}},
		{"an argument", "", "unexpected argument", exitUsage, []string{"rows.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := cli(t, c.in, append([]string{"map"}, c.args...)...)
			if code != c.code || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d, want %d; stderr %q, want %q; stdout %q", code, c.code, errs, c.want, out)
			}
		})
	}
}
