package opstest_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestHAProxySaysWhatItTakes: the number of descriptors that the example's comment names
// is the one that HAProxy asks for, and fails for where it is not allowed.
func TestHAProxySaysWhatItTakes(t *testing.T) {
	text := read(t, "configs", "haproxy", "haproxy.cfg")
	said := number(t, regexp.MustCompile(`so ([\d,]+) in all must be allowed`).FindStringSubmatch(text))
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	write(t, file, strings.ReplaceAll(text, "bind :80\n", "bind "+freeAddress(t)+"\n"))
	out, err := exec.Command("sh", "-c", `ulimit -n 1000 && exec "$0" -db -f "$1"`, tool(t, "haproxy", "haproxy"), file).CombinedOutput()
	if err == nil {
		t.Fatalf("it starts with 1,000: %s", out)
	}
	takes := number(t, regexp.MustCompile(`Cannot raise FD limit to (\d+)`).FindStringSubmatch(string(out)))
	if takes < said-200 || takes > said+200 { // some for each processor
		t.Errorf("it takes %d, the comment says %d", takes, said)
	}
}

func number(t *testing.T, match []string) int {
	t.Helper()
	if match == nil {
		t.Fatal("no number")
	}
	n, err := strconv.Atoi(strings.ReplaceAll(match[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
