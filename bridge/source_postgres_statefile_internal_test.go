package bridge

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/durable"
	"chatbridge/source/postgres"
)

// TestStateFileIsReplaced: whatever has become of the file, the bridge starts, and
// writes it anew.
func TestStateFileIsReplaced(t *testing.T) {
	want := postgres.Place{
		System: "7", Timeline: 2, Database: "d", Slot: "bridge", Publication: "bridge", LSN: 0x1_0000_00F0, Commit: 0x1_0000_0010,
		CommitTime: time.Date(2026, 2, 5, 12, 0, 0, 1000, time.UTC), Shape: postgres.Shape{"table": "1"}, Broken: true,
	}
	for name, content := range map[string]string{
		"empty": "", "torn": `{"system":"7","lsn":"0/1`, "torn early": `{"sys`, "no members": "{}", "no LSN": `{"lsn":"x"}`, "zeros": "\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			f := newStateFile(filepath.Join(t.TempDir(), "state"), slog.New(slog.NewTextHandler(&log, nil))).(stateFile)
			if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := f.Load(t.Context())
			if err != nil || !p.IsZero() || strings.Count(log.String(), "level=WARN") != 1 && content != "{}" {
				t.Errorf("got %+v, %v; log %s", p, err, log.String())
			}
			if err := f.Save(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			got, err := f.Load(t.Context())
			if err != nil || got.LSN != want.LSN || got.Commit != want.Commit || !got.CommitTime.Equal(want.CommitTime) ||
				got.Shape["table"] != "1" || !got.Broken || got.System != "7" {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
			if files, _ := filepath.Glob(filepath.Join(filepath.Dir(f.path), "*")); len(files) != 1 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func TestStateFileOfAnEarlierVersion(t *testing.T) {
	f := stateFile{path: filepath.Join(t.TempDir(), "state"), log: slog.New(slog.DiscardHandler)}
	if p, err := f.Load(t.Context()); err != nil || !p.IsZero() {
		t.Errorf("without a file: %+v, %v", p, err)
	}
	if err := os.WriteFile(f.path, []byte(`{"lastDelivered":"2026-02-05T12:00:00Z"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := f.Load(t.Context())
	if err != nil || p.IsZero() || !p.CommitTime.Equal(time.Date(2026, 2, 5, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestStateFileThatCannotBeWritten(t *testing.T) {
	f := stateFile{path: filepath.Join(t.TempDir(), "missing", "state"), log: slog.New(slog.DiscardHandler)}
	if err := f.Save(t.Context(), postgres.Place{LSN: 1}); err == nil || !strings.Contains(err.Error(), "replay.state_file") {
		t.Errorf("got %v", err)
	}
}

// TestAForeignStateFileIsLeftAlone: what is no state file is neither read nor replaced.
func TestAForeignStateFileIsLeftAlone(t *testing.T) {
	for name, content := range map[string]string{
		"a text": "dear diary\n", "other JSON": `{"name":"app","lsn":"0/1"}`, "a list": "[]", "torn": `{"name":"ap`, "a configuration": "listen: :8080\n",
	} {
		f := stateFile{path: filepath.Join(t.TempDir(), "state"), log: slog.New(slog.DiscardHandler)}
		if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		p, loaded := f.Load(t.Context())
		for what, err := range map[string]error{"Load": loaded, "Save": f.Save(t.Context(), postgres.Place{LSN: 1})} {
			if !errors.Is(err, durable.ErrForeign) || !strings.Contains(err.Error(), "replay.state_file: a path of its own") || !p.IsZero() {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if text, err := os.ReadFile(f.path); err != nil || string(text) != content {
			t.Errorf("%s: now it is %q, %v", name, text, err)
		}
	}
	// A device would be replaced by a file, where root runs the bridge.
	if err := (stateFile{path: os.DevNull}).Save(t.Context(), postgres.Place{LSN: 1}); !errors.Is(err, durable.ErrForeign) {
		t.Errorf("a device: %v", err)
	}
}
