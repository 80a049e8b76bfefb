package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"chatbridge/bridge/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink collects lines and fails for a Write that is not one line.
type sink struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 || bytes.IndexByte(p, '\n') != len(p)-1 {
		s.t.Errorf("wrote %q: want exactly one line", p)
	}
	s.lines = append(s.lines, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func (s *sink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// objects takes the lines as JSON.
func (s *sink) objects() []map[string]any {
	s.t.Helper()
	var out []map[string]any
	for _, line := range s.take() {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			s.t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, o)
	}
	return out
}

func TestJSONLinesNameTheEvent(t *testing.T) {
	out := &sink{t: t}
	log := logging.New(out, logging.Options{Format: logging.JSON}).Logger()
	log.Info("could not judge a client's token; it will come back", "remote", "192.0.2.1", "took", 1500*time.Millisecond)
	log.With("component", "gateway").Warn("took over", "event", "gateway.local")
	got := out.objects()
	if got[0]["event"] != "could_not_judge_a_clients_token" || got[0]["level"] != "INFO" ||
		got[0]["took"] != "1.5s" || got[0]["remote"] != "192.0.2.1" {
		t.Errorf("got %v", got[0])
	}
	if got[1]["event"] != "gateway.local" || got[1]["component"] != "gateway" {
		t.Errorf("a name given by the caller is kept: got %v", got[1])
	}
}

func TestTextLinesAreForPeople(t *testing.T) {
	out := &sink{t: t}
	logging.New(out, logging.Options{Format: logging.Text}).Logger().Error("cannot listen", "address", ":8080")
	line := out.take()[0]
	if !strings.Contains(line, `level=ERROR msg="cannot listen" address=:8080`) || strings.Contains(line, "event=") {
		t.Errorf("got %q", line)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		setting  string
		terminal bool
		want     string
	}{
		{"auto", true, "text"},
		{"auto", false, "json"},
		{"text", false, "text"},
		{"json", true, "json"},
	} {
		if got := logging.Format(c.setting, c.terminal); got != c.want {
			t.Errorf("Format(%q, %v) = %q, want %q", c.setting, c.terminal, got, c.want)
		}
	}
}

func TestJournalPriorities(t *testing.T) {
	for _, format := range []string{logging.Text, logging.JSON} {
		out := &sink{t: t}
		log := logging.New(out, logging.Options{Format: format, Journal: true, Level: slog.LevelDebug}).Logger().With("a", 1)
		log.Debug("one")
		log.Info("two")
		log.Warn("three")
		log.Error("four")
		for i, line := range out.take() {
			if want := []string{"<7>", "<6>", "<4>", "<3>"}[i]; !strings.HasPrefix(line, want) {
				t.Errorf("%s: line %q does not begin with %s", format, line, want)
			}
		}
	}
}

func TestIsJournal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if logging.IsJournal(f, "") || logging.IsJournal(f, "1:1") {
		t.Error("a file that is not the journal's stream passed for it")
	}
	if id := statID(t, f); !logging.IsJournal(f, id) {
		t.Errorf("the file with id %s was not recognised", id)
	}
}

func TestLevelChangesWhileRunning(t *testing.T) {
	out := &sink{t: t}
	l := logging.New(out, logging.Options{Format: logging.Text, Level: slog.LevelWarn})
	log := l.Logger().With("a", 1)
	log.Info("one")
	l.SetLevel(slog.LevelDebug)
	log.Debug("two")
	l.SetLevel(slog.LevelError)
	log.Warn("three")
	if lines := out.take(); len(lines) != 1 || !strings.Contains(lines[0], "two") {
		t.Errorf("got %q", lines)
	}
}

const (
	jwt    = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	secret = "h0rse-battery"
)

func TestSecretsDoNotLeave(t *testing.T) {
	attrs := []any{
		"token", secret,
		"Authorization", "Basic " + secret,
		"content", "what " + secret + " wrote",
		"error", errors.New("dial postgres://bridge:" + secret + "@db.example.com:5432/app: refused"),
		"wrapped", fmt.Errorf("ask: %w", errors.New("host=db user=a password='"+secret+"' port=1")),
		"url", "https://x.example/api/ws/?EIO=4&token=" + secret + "&transport=polling",
		"header", "Bearer " + secret,
		"note", "got " + jwt + ", refused",
		"list",
		[]string{"a", jwt, "apikey=" + secret},
		"supabase", "sb_secret_" + secret,
		"bytes", []byte(secret),
		slog.Group("client", "jwt", secret, "remote", "192.0.2.7"),
	}
	for _, format := range []string{logging.Text, logging.JSON} {
		out := &sink{t: t}
		log := logging.New(out, logging.Options{Format: format}).Logger()
		log.Info("plain", attrs...)
		log.With(attrs...).Info("with")
		log.WithGroup("g").Info("group", attrs...)
		log.Info("message with " + jwt + " and password=" + secret)
		for _, line := range out.take() {
			if strings.Contains(line, secret) || strings.Contains(line, "eyJ") {
				t.Errorf("a secret left: %s", line)
			}
			if !strings.Contains(line, "[redacted]") {
				t.Errorf("nothing was masked: %s", line)
			}
			if strings.Contains(line, "plain") && !strings.Contains(line, "db.example.com:5432/app: refused") ||
				strings.Contains(line, "plain") && !strings.Contains(line, "transport=polling") {
				t.Errorf("more than the secret was masked: %s", line)
			}
		}
	}
}

func FuzzScrub(f *testing.F) {
	for _, seed := range []string{"", "plain", jwt, "postgres://a:b@c/d", "token=a b", "a=b://c:d@e", "bearer x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := logging.Scrub(s + " " + jwt)
		if strings.Contains(once, jwt) {
			t.Errorf("Scrub(%q) = %q: still has the token", s, once)
		}
		if !strings.Contains(s, "=") && !strings.Contains(s, ":") && !strings.Contains(s, "eyJ") &&
			!strings.Contains(s, "sb_secret") && !strings.Contains(strings.ToLower(s), "bearer ") && !strings.HasPrefix(once, s) {
			t.Errorf("Scrub(%q) = %q: changed what is no secret", s, once)
		}
	})
}

// TestTheWordsOfARemedyAreShown: they are no secret, and what stands beside them is hidden.
func TestTheWordsOfARemedyAreShown(t *testing.T) {
	for in, want := range map[string]string{
		"redis://:PASSWORD@host:6379, or redis://USER:PASSWORD@…": "redis://:PASSWORD@host:6379, or redis://USER:PASSWORD@…",
		"redis://[user:password@]host[:6379]":                     "redis://[user:password@]host[:6379]",
		"redis://:hunter2@host, not redis://:PASSWORD@host":       "redis://:[redacted]@host, not redis://:PASSWORD@host",
		"redis://:xPASSWORD@host":                                 "redis://:[redacted]@host",
		"redis://:x:PASSWORD@host":                                "redis://:[redacted]@host",
	} {
		if got := logging.Scrub(in); got != want {
			t.Errorf("Scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

// running gives a Log whose Run runs, in a bubble of synthetic time.
func running(t *testing.T, o logging.Options) (*logging.Log, *sink) {
	out := &sink{t: t}
	l := logging.New(out, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return l, out
}

func TestRepeatedErrorIsWrittenOnceThenCountedThenRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := running(t, logging.Options{Format: logging.JSON})
		log := l.Logger()
		for i := range 90 { // 90 s of one failure a second
			log.Error("cannot connect", "error", fmt.Errorf("dial 127.0.0.1:%d: refused", 40000+i))
			time.Sleep(time.Second)
		}
		got := out.objects()
		if len(got) != 2 {
			t.Fatalf("90 failures in 90 s made %d lines, want 2: %v", len(got), got)
		}
		if _, ok := got[0]["repeated"]; ok {
			t.Errorf("the first line counts: %v", got[0])
		}
		if n, _ := got[1]["repeated"].(float64); n < 58 || n > 61 {
			t.Errorf("the line after a minute says repeated=%v, want about 59", got[1]["repeated"])
		}
		time.Sleep(3 * time.Minute)
		got = out.objects()
		if len(got) != 1 || got[0]["event"] != "recovered" || got[0]["fault"] != "cannot connect" || got[0]["level"] != "INFO" {
			t.Fatalf("after it had stopped: %v", got)
		}
		if s := l.Stats(); s.Lines["error"] != 2 || s.Lines["info"] != 1 || s.Suppressed != 88 {
			t.Errorf("counted %+v, want 2 errors, 1 recovery, 88 suppressed", s)
		}
		log.Error("cannot connect", "error", errors.New("dial 127.0.0.1:1: refused"))
		if got = out.objects(); len(got) != 1 || got[0]["repeated"] != nil {
			t.Errorf("a fault that comes again after recovery is new: %v", got)
		}
	})
}

// TestWhatIsToldOnceOfEachSubject is written for each, and silence about it is no recovery: its
// condition lasts.
func TestWhatIsToldOnceOfEachSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := running(t, logging.Options{Format: logging.JSON})
		log := l.Logger()
		told := 0
		for _, other := range []string{"host/1", "host/2", "host/3", "host/4"} {
			for _, setting := range []string{"replay.window", "auth.chatengine_secret"} {
				log.Warn("differs", "other", other, "setting", setting)
				time.Sleep(time.Second)
				told++
			}
		}
		for _, key := range []string{"origin", "address", "fault", "signal"} {
			for _, value := range []string{"1", "2"} {
				log.Warn("refused", key, value)
				told++
			}
		}
		if got := out.objects(); len(got) != told {
			t.Errorf("%d lines of %d subjects: %v", len(got), told, got)
		}
		log.Warn("differs", "other", "host/1", "setting", "replay.window") // it was away, and came back
		if got := out.objects(); len(got) != 0 {
			t.Errorf("a repetition within a minute is written: %v", got)
		}
		time.Sleep(time.Hour)
		got := out.objects()
		if len(got) != 1 || got[0]["event"] != "differs" || got[0]["repeated"] != 1.0 {
			t.Errorf("after the silence: %v, want the count of the repetition, and no recovery", got)
		}
	})
}

func TestAFaultThatDidNotRepeatDoesNotRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := running(t, logging.Options{Format: logging.JSON})
		l.Logger().Warn("once")
		time.Sleep(time.Hour)
		if got := out.objects(); len(got) != 1 {
			t.Errorf("got %v", got)
		}
	})
}

func TestDifferentFaultsAreKeptApart(t *testing.T) {
	out := &sink{t: t}
	log := logging.New(out, logging.Options{Format: logging.JSON}).Logger()
	log.Warn("refused", "code", "a", "remote", "1")
	log.Warn("refused", "code", "b", "remote", "2")
	log.Warn("refused", "code", "a", "remote", "3") // a repetition
	log.With("part", "x").Warn("refused", "code", "a")
	log.Error("refused", "code", "a")
	if got := out.objects(); len(got) != 4 {
		t.Errorf("%d lines, want 4: %v", len(got), got)
	}
}

func TestInformationIsThinnedAfterTen(t *testing.T) {
	out := &sink{t: t}
	l := logging.New(out, logging.Options{Format: logging.JSON})
	for i := range 1000 {
		l.Logger().Info("refused a client", "code", "token_expired", "remote", i)
		l.Logger().Debug("noise")
	}
	if got := out.objects(); len(got) != 10 {
		t.Errorf("%d lines, want 10", len(got))
	}
}

func TestEndTellsWhatWasSuppressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{t: t}
		l := logging.New(out, logging.Options{Format: logging.JSON})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		for range 5 {
			l.Logger().Warn("slow")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := out.objects()
		if len(got) != 2 || got[1]["repeated"] != 4.0 {
			t.Errorf("got %v, want a last line with repeated=4", got)
		}
	})
}

// TestManyFaultsAreBounded also checks that the count of an evicted fault is
// written.
func TestManyFaultsAreBounded(t *testing.T) {
	out := &sink{t: t}
	log := logging.New(out, logging.Options{Format: logging.JSON}).Logger()
	log.Warn("first")
	log.Warn("first")
	out.take()
	for i := range 300 {
		log.Warn("fault", "code", strings.Repeat("x", i))
	}
	recovered := 0
	for _, line := range out.objects() {
		if line["event"] == "recovered" {
			recovered++
			if line["fault"] != "first" || line["repeated"] != 1.0 {
				t.Errorf("got %v", line)
			}
		}
	}
	if recovered != 1 {
		t.Errorf("%d recoveries, want that of the fault that was evicted", recovered)
	}
}

func TestLinesFromManyGoroutinesStayWhole(t *testing.T) {
	out := &sink{t: t}
	l := logging.New(out, logging.Options{Format: logging.JSON, Journal: true, Interval: -1})
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			log := l.Logger().With("g", g)
			for i := range 200 {
				log.Info("line", "i", i)
				log.Error("line", "i", i)
			}
		})
	}
	group.Wait()
	lines := out.take()
	if len(lines) != 8*200*2 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		var o struct{ Level string }
		if err := json.Unmarshal([]byte(line[3:]), &o); err != nil || (o.Level == "INFO") != (line[:3] == "<6>") {
			t.Fatalf("line %q: %v", line, err)
		}
	}
}
