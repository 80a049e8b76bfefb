package readback

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocumentedBounds: the bounds that docs/sources.md gives operators are the defaults.
func TestDocumentedBounds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Join(strings.Fields(string(text)), " ")
	r, err := NewPostgREST(PostgRESTOptions{URL: "https://ref.example.test/rest/v1", Key: func(context.Context) (string, error) { return "", nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range []string{
		fmt.Sprintf("too large (%d MiB), takes too long (%g s)", r.maxBody>>20, r.timeout.Seconds()),
		fmt.Sprintf("limited to %g a second", float64(r.limit.Limit())),
	} {
		if !strings.Contains(doc, sentence) {
			t.Errorf("docs/sources.md does not say %q", sentence)
		}
	}
}
