package ops

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestTheConsoleShowsWhatStatusHas: every member that the page reads is one
// that /status has, and the page needs nothing from elsewhere.
func TestTheConsoleShowsWhatStatusHas(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	serveConsole(answer, httptest.NewRequest("GET", "/", nil))
	page := answer.Body.String()
	if !strings.Contains(answer.Header().Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(page, "://") {
		t.Error("the page may load something from elsewhere")
	}
	s, _ := full()
	text, err := json.Marshal(s.status())
	if err != nil {
		t.Fatal(err)
	}
	var status map[string]any
	if err := json.Unmarshal(text, &status); err != nil {
		t.Fatal(err)
	}
	reads := regexp.MustCompile(`\bs((?:\.[a-z]\w*)+)`).FindAllStringSubmatch(page, -1)
	if len(reads) < 20 {
		t.Fatalf("found only %d places where the page reads the status", len(reads))
	}
	for _, r := range reads {
		var at any = status
		for name := range strings.SplitSeq(strings.TrimPrefix(r[1], "."), ".") {
			object, ok := at.(map[string]any)
			if !ok {
				break // a method of a string or a list
			}
			if at, ok = object[name]; !ok {
				t.Errorf("the page reads s%s, which the status does not have", r[1])
				break
			}
		}
	}
}
