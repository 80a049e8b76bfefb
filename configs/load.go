package configs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Sources are where Load reads from. The zero Sources give the defaults.
type Sources struct {
	// File is the YAML file; empty for none.
	File string
	// Env is the environment as os.Environ gives it: NAME=value. It also
	// tells the directory of systemd's credentials ($CREDENTIALS_DIRECTORY).
	Env []string
	// Flags are the command line's, as AddFlags made them; those that were
	// given count. Flags that are no settings are not looked at.
	Flags *pflag.FlagSet
	// Complete makes Load demand all that `bridge serve` needs (Validate),
	// so that everything wrong is reported at once.
	Complete bool
}

// Process returns the sources of this process: the file, or where that is
// empty the one that $BRIDGE_CONFIG names, the environment and the flags.
func Process(file string, flags *pflag.FlagSet) Sources {
	if file == "" {
		file = os.Getenv(ConfigEnv)
	}
	return Sources{File: file, Env: os.Environ(), Flags: flags}
}

// Load reads the configuration: defaults, the file, systemd's credentials,
// the environment, flags, the later the stronger. The error is an *Error that
// holds every problem found; with it comes no Config.
func Load(s Sources) (*Config, error) {
	l := newLoader()
	l.readLayers(s)
	l.assign()
	l.derive(s.Env)
	if s.Complete {
		l.problems = append(l.problems, l.config.problems(l.failed)...)
	}
	if err := asError(l.problems); err != nil {
		return nil, err
	}
	return l.config, nil
}

// loader is the state of one Load.
type loader struct {
	config   *Config
	names    *names
	viper    *viper.Viper
	problems []Problem
	failed   map[string]bool // keys with a problem: not complained about twice
}

func newLoader() *loader {
	c := &Config{origins: map[string]Origin{}}
	c.fields = c.settings()
	l := &loader{config: c, names: newNames(c.fields), viper: viper.New(), failed: map[string]bool{}}
	for _, f := range c.fields {
		l.viper.SetDefault(f.key, f.def)
		c.origins[f.key] = Origin{Layer: FromDefault}
	}
	return l
}

func (l *loader) add(problems ...Problem) {
	for _, p := range problems {
		l.failed[strings.TrimSuffix(p.Key, fileSuffix)] = true
		l.problems = append(l.problems, p)
	}
}

func (l *loader) warn(text string) { l.config.warnings = append(l.config.warnings, text) }

func (l *loader) readLayers(s Sources) {
	if s.File != "" {
		l.merge(readFile(s.File, l.names))
	}
	l.merge(readCredentials(lookupEnv(s.Env, "CREDENTIALS_DIRECTORY"), l.config.fields))
	l.merge(readEnvironment(s.Env, l.names, l.warn))
	if s.Flags == nil {
		return
	}
	for key := range l.names.fields {
		if f := s.Flags.Lookup(key); f != nil && f.Changed {
			// The only error is that of a nil flag.
			_ = l.viper.BindPFlag(key, f)
			l.config.origins[key] = Origin{Layer: FromFlag, Name: key}
		}
	}
}

// merge lays a layer over those before it. An empty value of a setting that
// is empty by default says nothing and hides nothing.
func (l *loader) merge(from layer, problems []Problem) {
	l.add(problems...)
	l.add(readSecretFiles(from, l.config.fields)...)
	for _, key := range slices.Sorted(maps.Keys(from)) {
		e, f := from[key], l.names.fields[key]
		if e.isEmpty() && f.def == "" {
			continue
		}
		tree := map[string]any{}
		nest(tree, key, e.value)
		// MergeConfigMap fails for no map[string]any.
		_ = l.viper.MergeConfigMap(tree)
		l.config.origins[key] = e.origin
	}
}

// nest puts a value into a tree under its dotted key.
func nest(tree map[string]any, key string, value any) {
	for {
		head, rest, more := strings.Cut(key, ".")
		if !more {
			tree[head] = value
			return
		}
		sub := map[string]any{}
		tree[head] = sub
		tree, key = sub, rest
	}
}

// assign reads every value that viper settled on into the Config.
func (l *loader) assign() {
	for _, f := range l.config.fields {
		raw := l.viper.Get(f.key)
		err := f.set(raw)
		if err == nil {
			continue
		}
		p := Problem{Key: f.key, Value: entry{value: raw}.text(), Origin: l.config.origins[f.key].String(), Reason: err.Error(), Accepted: f.accepts}
		if f.secret {
			p.Value = Mask
		}
		l.add(p)
	}
}

// derive fills in what follows from other settings.
func (l *loader) derive(env []string) {
	c := l.config
	switch {
	case c.Auth.JWKSURL == none:
		c.Auth.JWKSURL = ""
	case c.Auth.JWKSURL == "" && c.Source.Realtime.URL != "":
		c.Auth.JWKSURL = strings.TrimRight(c.Source.Realtime.URL, "/") + "/auth/v1/.well-known/jwks.json"
		c.origins["auth.jwks_url"] = Origin{Layer: FromDerived, Name: "source.realtime.url (" + c.origins["source.realtime.url"].String() + ")"}
	}
	l.deriveStateFile(lookupEnv(env, stateDirectory))
	c.Source.Realtime.URL = strings.TrimRight(c.Source.Realtime.URL, "/")
	c.Gateway.Upstream = strings.TrimRight(c.Gateway.Upstream, "/")
	l.reserved()
}

// stateDirectory names the directories that systemd made for the service, with
// colons between; the container image has one too.
const stateDirectory = "STATE_DIRECTORY"

// none is the value of a setting that stops it from being derived.
const none = "none"

// deriveStateFile puts the state file into the state directory.
func (l *loader) deriveStateFile(directories string) {
	first, _, _ := strings.Cut(directories, ":")
	switch file := &l.config.Replay.StateFile; {
	case *file == none:
		*file = ""
	case *file == "" && first != "":
		*file = filepath.Join(first, "state")
		l.config.origins["replay.state_file"] = Origin{Layer: FromDerived, Name: stateDirectory}
	}
}

// reserved refuses settings that have a name and no meaning yet. REDIS_URL
// alone is most likely there for another program, so it only warns.
func (l *loader) reserved() {
	if l.config.redisURL == "" {
		return
	}
	const why = "this version runs as one process and shares nothing over Redis; for a second bridge that takes over, start it with the same source.postgres.slot: it stands by until the slot is free"
	if o := l.config.origins["cluster.redis_url"]; o.Name == "REDIS_URL" {
		l.warn("REDIS_URL is not used: " + why)
	} else {
		l.add(Problem{Key: "cluster.redis_url", Value: Mask, Origin: o.String(), Reason: "is reserved: " + why})
	}
}

func lookupEnv(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}
