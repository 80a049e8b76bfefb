package bridge

import (
	"context"
	"io/fs"
	"strings"

	"chatbridge"
	"chatbridge/bridge/check"
	"chatbridge/bridge/console"
	"chatbridge/configs"
	"chatbridge/docs"
)

// newConsole returns the operator's page.
func (d *Daemon) newConsole() *console.Console {
	return console.New(console.Options{
		Snapshot: d.Snapshot, Clients: d.api.Clients, Close: d.api.CloseClient,
		Check: func(ctx context.Context) []console.Finding { return findings(ctx, d.reload.config()) },
		Docs:  docs.Files,
		Texts: texts(),
	})
}

// texts returns the embedded files that the documents link to, by their paths relative to
// docs/.
func texts() map[string]string {
	found := make(map[string]string)
	_ = fs.WalkDir(chatbridge.Texts, ".", func(path string, entry fs.DirEntry, err error) error { // no error: the files are embedded
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(chatbridge.Texts, path)
		to, below := strings.CutPrefix(path, "docs/")
		if !below {
			to = "../" + path
		}
		found[to] = string(text)
		return err
	})
	return found
}

// findings returns those of `bridge check`.
func findings(ctx context.Context, cfg *configs.Config) []console.Finding {
	found := check.Run(ctx, cfg)
	out := make([]console.Finding, len(found))
	for i, f := range found {
		out[i] = console.Finding{ID: f.ID, Object: f.Object, Level: f.Level.String(), What: f.What, Meaning: f.Meaning, Fix: f.Fix}
	}
	return out
}
