package mapping_test

import (
	"os"
	"strings"
	"testing"

	"chatbridge/mapping"
)

// The examples of docs/mapping.md that change a preset are accepted.
func TestExamplesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	parsed := 0
	for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if strings.Contains(block, "…") { // an outline
			continue
		}
		parsed++
		if _, err := mapping.Parse("crm", "docs", []byte(block)); err != nil {
			t.Errorf("example %d:\n%s\n%v", i+1, block, err)
		}
	}
	if parsed < 3 {
		t.Errorf("found only %d examples", parsed)
	}
}
