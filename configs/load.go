package configs

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Sources are where Load reads from. The zero Sources give the defaults.
type Sources struct {
	// File is the YAML file; empty for none.
	File string
	// Env is the environment as os.Environ gives it: NAME=value. The
	// directories of systemd ($CREDENTIALS_DIRECTORY, $RUNTIME_DIRECTORY,
	// $STATE_DIRECTORY) are read from it too.
	Env []string
	// Flags are the command line's, as AddFlags defined them. Only flags that
	// were given count; flags that are no settings are ignored.
	Flags *pflag.FlagSet
	// Complete makes Load require all that `bridge serve` needs (Validate),
	// so that everything wrong is reported at once.
	Complete bool
	// Installed is for a command beside the daemon: it gets what the installed
	// bridge.service (or instance of bridge@.service) gives the daemon. Without a File that is its configuration file;
	// with that file, also its credentials, read from the files that LoadCredential=
	// names, and the address of bridge.socket. The daemon itself has them from systemd.
	Installed bool
	// Unit is the service that is being reloaded, for a command of its ExecReload=. Its
	// credentials are read from the files that LoadCredential= names, whatever was
	// copied of them. Empty elsewhere.
	Unit string
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
// the environment, flags, the later the stronger. The error is an *Error with
// every problem found; the Config is nil then.
func Load(s Sources) (*Config, error) {
	env := variables(s.Env)
	l := newLoader()
	var in installation
	credentials, unreadable := readCredentials(env[credentialsDirectory], l.config.fields)
	switch {
	case s.Unit != "":
		in = installed(env, s.Unit)
	case s.Installed && len(credentials)+len(unreadable) == 0:
		in = installed(env, "")
	}
	if s.File == "" && exists(in.file) {
		s.File = in.file
	}
	if s.Unit == "" && !sameFile(s.File, in.file) {
		in = installation{}
	}
	l.config.installation = in
	l.readFile(s.File)
	l.merge(credentials, unreadable)
	l.merge(l.readInstalled(in))
	if !s.Installed {
		l.merge(readCredentials(firstDirectory(env[runtimeDirectory]), l.config.fields))
	}
	l.merge(readEnvironment(env, l.names, l.warn))
	l.bindFlags(s.Flags)
	l.assign()
	if l.unread { // what seems not to be set may be in the file
		return nil, asError(l.problems)
	}
	l.derive(env, in.state)
	l.credentialFiles(env, s.Installed)
	if in.listen != "" && l.config.origins["listen"].Layer < FromEnvironment {
		l.config.Listen, l.config.socket = in.listen, true
		l.config.origins["listen"] = Origin{Layer: FromDerived, Name: socketUnit}
	}
	if s.Complete {
		l.problems = append(l.problems, l.config.problems(l.failed)...)
	}
	if err := asError(l.problems); err != nil {
		return nil, err
	}
	return l.config, nil
}

// entry is a value as a layer gives it: value is a string or a []string.
type entry struct {
	value  any
	origin Origin
}

// layer is what one source gives, by key. The keys of secrets may also be
// there with fileSuffix, until readSecretFiles has replaced them.
type layer map[string]entry

// isEmpty reports whether the entry says nothing: "" or an empty list.
func (e entry) isEmpty() bool {
	list, isList := e.value.([]string)
	return isList && len(list) == 0 || !isList && e.text() == ""
}

// text shows the entry for a message.
func (e entry) text() string {
	if list, ok := e.value.([]string); ok {
		return strings.Join(list, ",")
	}
	s, _ := e.value.(string)
	return s
}

// loader is the state of one Load.
type loader struct {
	config   *Config
	names    *names
	viper    *viper.Viper
	problems []Problem
	failed   map[string]bool // keys with a problem: not reported twice
	unread   bool            // the file could not be read
}

func newLoader() *loader {
	c := &Config{origins: map[string]Origin{}, unread: map[string]string{}}
	c.fields = c.settings()
	l := &loader{config: c, names: newNames(c.fields), failed: map[string]bool{}}
	// Keys are flat: a delimiter that no key has keeps viper from splitting
	// them at their dots.
	l.viper = viper.NewWithOptions(viper.KeyDelimiter("\x00"), viper.WithDecoderRegistry(l))
	for _, f := range c.fields {
		l.viper.SetDefault(f.key, f.def)
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

// merge puts a layer over those before it.
func (l *loader) merge(from layer, problems []Problem) {
	// MergeConfigMap returns no error.
	_ = l.viper.MergeConfigMap(l.accept(from, problems))
}

// accept returns the values of a layer for viper and notes their origins. An
// empty value of a setting that is empty by default is left out: it says
// nothing and must not hide a value below it.
func (l *loader) accept(from layer, problems []Problem) map[string]any {
	l.add(problems...)
	l.add(readSecretFiles(from, l.config.fields)...)
	values := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		e := from[key]
		if e.isEmpty() && l.names.fields[key].def == "" {
			continue
		}
		values[key] = e.value
		l.config.origins[key] = e.origin
	}
	return values
}

// assign parses every value that viper settled on into the Config.
func (l *loader) assign() {
	for _, f := range l.config.fields {
		raw := l.viper.Get(f.key)
		err := f.set(raw)
		if err == nil {
			continue
		}
		p := Problem{Key: f.key, Value: entry{value: raw}.text(), Origin: l.config.origins[f.key].String(), Reason: err.Error(), Accepted: f.accepts}
		var value *valueError
		if errors.As(err, &value) {
			p.Accepted = value.accepted
		}
		if f.secret {
			p.Value = Mask
		}
		p.Value = userinfo.ReplaceAllString(p.Value, "${1}"+Mask+"@")
		l.add(p)
	}
}

// Directories that systemd made for the service. Of the latter two there may be several,
// with colons between; the container image has a state directory too.
const (
	credentialsDirectory = "CREDENTIALS_DIRECTORY"
	runtimeDirectory     = "RUNTIME_DIRECTORY"
	stateDirectory       = "STATE_DIRECTORY"
)

// firstDirectory returns the first of several.
func firstDirectory(list string) string {
	first, _, _ := strings.Cut(list, ":")
	return first
}

// none is the value of a setting that stops it from being derived.
const none = "none"

// derive fills in what follows from other settings.
//
// state is the installed service's state directory, for a command that runs beside it.
func (l *loader) derive(env map[string]string, state string) {
	c := l.config
	c.Source.Realtime.URL = strings.TrimRight(c.Source.Realtime.URL, "/")
	c.Gateway.Upstream = strings.TrimRight(c.Gateway.Upstream, "/")
	switch jwks := &c.Auth.JWKSURL; {
	case *jwks == none:
		*jwks = ""
	case *jwks == "" && c.Source.Realtime.URL != "":
		*jwks = c.Source.Realtime.URL + "/auth/v1/.well-known/jwks.json"
		c.origins["auth.jwks_url"] = Origin{Layer: FromDerived, Name: "source.realtime.url (" + c.origins["source.realtime.url"].String() + ")"}
	}
	if c.Send.Function.URL = strings.TrimRight(c.Send.Function.URL, "/"); c.Send.Function.URL == "" && c.Source.Realtime.URL != "" {
		c.Send.Function.URL = c.Source.Realtime.URL
		c.origins["send.function.url"] = Origin{Layer: FromDerived, Name: "source.realtime.url (" + c.origins["source.realtime.url"].String() + ")"}
	}
	if c.Send.Outbox.Channel == none {
		c.Send.Outbox.Channel = ""
	}
	directory := firstDirectory(env[stateDirectory])
	from := Origin{Layer: FromDerived, Name: stateDirectory}
	if directory == "" {
		directory, from.Name = state, fromUnit+l.config.installation.unit
	}
	l.deriveFile("replay.state_file", &c.Replay.StateFile, directory, "state", from)
	l.deriveFile("ledger.file", &c.Ledger.File, directory, "ledger", from)
	l.deriveFile("send.state_file", &c.Send.StateFile, directory, "sends", from)
	l.redis()
}

// deriveFile fills in a file of the state directory, where there is one.
func (l *loader) deriveFile(key string, file *string, directory, name string, from Origin) {
	switch {
	case *file == none:
		*file = ""
	case *file == "" && directory != "":
		*file = filepath.Join(directory, name)
		l.config.origins[key] = from
	}
}

// redis judges cluster.redis_url and cluster.name, which belong together. REDIS_URL
// alone is most likely there for another program, so it only warns.
func (l *loader) redis() {
	c := &l.config.Cluster
	o := l.config.origins["cluster.redis_url"]
	switch {
	case c.Name != "" && l.config.Source.Kind == KindRealtime:
		l.add(Problem{Key: "cluster.name", Value: c.Name, Reason: "is for bridges that read Postgres: with source.kind realtime each one follows by itself", Accepted: "nothing"})
	case c.RedisURL == "" && c.Name == "" && c.Role == RoleAuto, c.RedisURL != "" && c.Name != "":
		return
	case c.RedisURL == "":
		l.add(Problem{Key: "cluster.redis_url", Reason: "is missing, and cluster.name or cluster.role is set", Accepted: "Redis' address, such as redis://:password@127.0.0.1:6379"})
	case o.Name == "REDIS_URL" && c.Role == RoleAuto:
		l.warn("REDIS_URL is not used: cluster.name makes several bridges one over Redis; without it a second bridge with the same source.postgres.slot stands by and takes over")
	default:
		l.add(Problem{Key: "cluster.name", Reason: "is missing, and cluster.redis_url or cluster.role is set", Accepted: "a name that all bridges of the cluster have, such as crm"})
	}
}

// userinfo is a user's name and password in an address, also in one that is none.
var userinfo = regexp.MustCompile(`(://)[^/?#]*@`)
