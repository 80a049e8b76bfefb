package configs

import (
	"slices"

	"github.com/spf13/pflag"
)

// shown are the flags that a command's help lists. The others work all the
// same: a help text of eighty flags helps nobody, bridge.yaml does.
var shown = []string{"listen", "path", "admin.listen", "cors.origins", "source.kind", "mapping.preset", "mapping.file", "replay.window", "gateway.upstream", "log.level", "log.format"}

// AddFlags defines one flag per key on fs, named as the key. Secrets have
// none, because every user of the machine can read a command line.
func AddFlags(fs *pflag.FlagSet) {
	for _, f := range new(Config).settings() {
		if f.secret || f.key == "cluster.redis_url" {
			continue
		}
		fs.Var(&flagValue{kind: f.name, text: f.def}, f.key, f.accepts)
		if f.name == "true|false" {
			fs.Lookup(f.key).NoOptDefVal = "true"
		}
		if !slices.Contains(shown, f.key) {
			fs.Lookup(f.key).Hidden = true
		}
	}
}

// flagValue keeps the text; Load reads it as it reads every other layer.
type flagValue struct{ kind, text string }

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Type() string       { return v.kind }
func (v *flagValue) Set(s string) error { v.text = s; return nil }
