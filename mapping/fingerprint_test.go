package mapping_test

import (
	"testing"

	"chatbridge/mapping"
)

// TestFingerprint: it is that of what the mapping says.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	of := func(preset, text string) string {
		t.Helper()
		spec, err := mapping.Parse(preset, "own.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return spec.Fingerprint()
	}
	const one = "message:\n  table: messages\n  key: id\n"
	plain := of("crm", one)
	if plain == "" || of("crm", "# a comment\nmessage: {key: id, table: messages}\n") != plain {
		t.Error("comments and order count")
	}
	if preset, err := mapping.Load("crm", ""); err != nil || preset.Fingerprint() != of("crm", "# nothing\n") {
		t.Errorf("a file that changes nothing counts, %v", err)
	}
	if of("crm", "message:\n  table: other\n") == plain || of("chatwoot", "") == of("evolution", "") {
		t.Error("another mapping has the same fingerprint")
	}
}
