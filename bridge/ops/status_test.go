package ops

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestStatusKeys: scripts and the console rely on the keys of /status, their
// order and the types of their values.
func TestStatusKeys(t *testing.T) {
	s, _ := full()
	w := httptest.NewRecorder()
	writeJSON(w, 200, s.status())
	var b strings.Builder
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	if err := keys(&b, dec, "status"); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/status.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("not as in %s; look at the difference and run with -update:\n%s", golden, difference(string(want), got))
	}
}

// TestStatusOfAnIdleBridge: readers need not ask whether there is anything to
// count.
func TestStatusOfAnIdleBridge(t *testing.T) {
	w := httptest.NewRecorder()
	writeJSON(w, 200, new(Snapshot).status())
	if body := w.Body.String(); strings.Contains(body, "null") || strings.Contains(body, "realtime") || strings.Contains(body, "gateway") {
		t.Errorf("%s", body)
	}
}

// counts are the objects whose keys are the reasons that were counted.
var counts = regexp.MustCompile(`\.(closed|refused|catchUps|(replay|realtime)\.gaps)$`)

// keys writes a line for each value: its path and its type.
func keys(b *strings.Builder, dec *json.Decoder, path string) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			at := b
			if counts.MatchString(path) {
				if key = "some_reason"; strings.Contains(b.String(), path+".some_reason ") {
					at = new(strings.Builder)
				}
			}
			if err := keys(at, dec, fmt.Sprint(path, ".", key)); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if err := keys(b, dec, path+"[]"); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	default:
		fmt.Fprintf(b, "%s %T\n", path, token)
	}
	return err
}
