package bridge

import (
	"context"

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
		Texts: map[string]string{"../configs/bridge.yaml": configs.Default},
	})
}

// findings are those of `bridge check`.
func findings(ctx context.Context, cfg *configs.Config) []console.Finding {
	found := check.Run(ctx, cfg)
	out := make([]console.Finding, len(found))
	for i, f := range found {
		out[i] = console.Finding{ID: f.ID, Object: f.Object, Level: f.Level.String(), What: f.What, Meaning: f.Meaning, Fix: f.Fix}
	}
	return out
}
