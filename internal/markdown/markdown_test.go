package markdown

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	d := Parse("# A `b_c`, d!\n\nSee [x](y.md#z), `bridge\ncheck` and [w](#a).\n\n- e\n  ```sh more\n  # no heading\n    f\n  ```\n\n## A b_c, d\n")
	want := &Document{
		Blocks:  []Block{{Line: 7, Language: "sh", Text: "# no heading\n  f\n"}},
		Spans:   []Span{{1, "b_c"}, {3, "bridge check"}},
		Links:   []Link{{3, "y.md", "z"}, {4, "", "a"}},
		Anchors: map[string]bool{"a-b_c-d": true, "a-b_c-d-1": true},
	}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestCommands(t *testing.T) {
	got := Commands("# head\na b   # why\n\nc \\\n  d\n")
	if want := []string{"a b", "c d"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWords(t *testing.T) {
	words, substituted := Words(`a --b "$(c --d E)" 'f g' "" h="i j"`)
	if want := []string{"a", "--b", "$(c --d E)", "f g", "", "h=i j"}; !reflect.DeepEqual(words, want) {
		t.Errorf("%q, want %q", words, want)
	}
	if want := []string{"c --d E"}; !reflect.DeepEqual(substituted, want) {
		t.Errorf("%q, want %q", substituted, want)
	}
}
