package configs

import (
	"slices"

	"github.com/spf13/pflag"
)

// shown are the flags that a command's help lists. The others work too, and
// bridge.yaml describes them: a help text of eighty flags is not read.
var shown = []string{"listen", "path", "admin.listen", "cors.origins", "source.kind", "mapping.preset", "mapping.file", "replay.window", "gateway.upstream", "log.level", "log.format"}

// AddFlags defines one flag per key on fs, named as the key. Secrets have
// none, because every user of the machine can read a command line.
func AddFlags(fs *pflag.FlagSet) {
	for _, f := range new(Config).settings() {
		if f.secret {
			continue
		}
		flag := fs.VarPF(&flagValue{kind: f.name, text: f.def}, f.key, "", f.accepts)
		if f.name == "true|false" {
			flag.NoOptDefVal = "true"
		}
		flag.Hidden = !slices.Contains(shown, f.key)
	}
}

// Choices returns the values of the settings that have a few words for values, by key,
// for the completion of flags.
func Choices() map[string][]string {
	choices := map[string][]string{}
	for _, f := range new(Config).settings() {
		if len(f.words) > 0 && !f.secret {
			choices[f.key] = f.words
		}
	}
	return choices
}

// flagValue keeps the text; Load parses it as it parses every other layer's.
type flagValue struct{ kind, text string }

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Type() string       { return v.kind }
func (v *flagValue) Set(s string) error { v.text = s; return nil }

// bindFlags gives viper the flags; it uses those that were given.
func (l *loader) bindFlags(fs *pflag.FlagSet) {
	if fs == nil {
		return
	}
	// BindPFlags returns no error for flags that are not nil.
	_ = l.viper.BindPFlags(fs)
	fs.Visit(func(f *pflag.Flag) {
		if _, ours := l.names.fields[f.Name]; ours {
			l.config.origins[f.Name] = Origin{Layer: FromFlag, Name: f.Name}
		}
	})
}
