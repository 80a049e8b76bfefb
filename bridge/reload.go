package bridge

import (
	"chatbridge/bridge/access"
	"chatbridge/configs"
)

// Reload takes over from next what can change while the daemon runs: the
// secrets that tokens are signed with, and the origins of browsers. Anything
// else takes a restart.
func (d *Daemon) Reload(next *configs.Config) {
	if err := d.auth.SetSecrets(reveal(next.Auth.ChatEngineSecrets), reveal(next.Auth.SupabaseSecrets)); err != nil {
		d.log.Error("reload: the secrets are kept as they were", "error", err)
		return
	}
	origins, err := access.NewOrigins(next.CORS.Origins)
	if err != nil {
		d.log.Error("reload: cors.origins is kept as it was", "error", err)
		return
	}
	d.origins.Store(origins)
	d.log.Info("reloaded secrets and origins; other settings take a restart")
}
