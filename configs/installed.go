package configs

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The units of an installation under systemd: one bridge, or several, each an instance
// of the template (bridge@8081.service).
const (
	serviceUnit    = "bridge.service"
	templatePrefix = "bridge@"
	templateUnit   = templatePrefix + ".service"
	socketUnit     = "bridge.socket"
)

// unitPath names directories that are searched for units instead of systemd's, as
// its own tools read it.
const unitPath = "SYSTEMD_UNIT_PATH"

// unitDirectories are where systemd looks for units, the first the strongest.
var unitDirectories = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// installation is what the installed units give the daemon beside its configuration
// file. The zero installation is none.
type installation struct {
	// unit is the service's name.
	unit string
	// file is the configuration file that the service is started with.
	file string
	// credentials are the files that LoadCredential= names, by the credential.
	credentials map[string]string
	// listen is the public address that bridge.socket holds, empty where it is not
	// enabled.
	listen string
	// state is the directory that StateDirectory= has systemd make, empty for none.
	state string
}

// unitStateDirectory is where systemd makes the directories of StateDirectory=.
const unitStateDirectory = "/var/lib"

// fromUnit begins the origin of what StateDirectory= says; the unit's name follows.
const fromUnit = "StateDirectory= of "

// InServiceState reports whether the file that a key names is in the state directory of
// the installed service: systemd makes that when it starts the service, for its user.
func (c *Config) InServiceState(key string) bool {
	return strings.HasPrefix(c.origins[key].Name, fromUnit)
}

// installed reads the installed units: that of the name, or where that is empty the
// one that the machine's bridge runs as.
func installed(env map[string]string, unit string) installation {
	dirs := unitDirectories
	if path := env[unitPath]; path != "" {
		dirs = filepath.SplitList(path)
	}
	in := installation{unit: cmp.Or(unit, mainUnit(dirs))}
	for _, s := range readUnit(dirs, in.unit) {
		switch s.name {
		case "ExecStart":
			in.file = cmp.Or(configFlag(strings.Fields(s.value)), in.file)
		case "StateDirectory":
			in.state = ""
			if names := strings.Fields(s.value); len(names) > 0 && in.unit != templateUnit {
				name, _, _ := strings.Cut(names[0], ":")
				in.state = filepath.Join(unitStateDirectory, name)
			}
		case "LoadCredential":
			id, file, named := strings.Cut(s.value, ":")
			switch {
			case s.value == "": // takes those before it back
				in.credentials = nil
			case named && filepath.IsAbs(file):
				if in.credentials == nil {
					in.credentials = map[string]string{}
				}
				in.credentials[id] = file
			}
		}
	}
	if in.unit == serviceUnit {
		in.listen = socketAddress(dirs)
	}
	return in
}

// mainUnit returns the service that the commands beside the daemon go by: bridge.service,
// unless only instances of bridge@.service are enabled (the first of them then), or only
// that is installed.
func mainUnit(dirs []string) string {
	var enabled []string
	hasService, hasTemplate := false, false
	for _, dir := range dirs {
		found, _ := filepath.Glob(filepath.Join(dir, "*.wants", "bridge*.service"))
		for _, path := range found {
			enabled = append(enabled, filepath.Base(path))
		}
		hasService = hasService || exists(filepath.Join(dir, serviceUnit))
		hasTemplate = hasTemplate || exists(filepath.Join(dir, templateUnit))
	}
	slices.Sort(enabled) // bridge.service goes before bridge@
	i := slices.IndexFunc(enabled, func(name string) bool { return name == serviceUnit || strings.HasPrefix(name, templatePrefix) })
	switch {
	case i >= 0:
		return enabled[i]
	case hasTemplate && !hasService:
		return templateUnit
	}
	return serviceUnit
}

// template returns the template of an instance, and the instance; "" for other units.
func template(unit string) (name, instance string) {
	prefix, rest, is := strings.Cut(unit, "@")
	instance, extension, named := strings.Cut(rest, ".")
	if !is || !named || instance == "" {
		return "", ""
	}
	return prefix + "@." + extension, instance
}

// configFlag returns the value of --config among the words of a command, "" without.
func configFlag(words []string) string {
	for i, word := range words {
		for _, flag := range []string{"--config", "-c"} {
			if value, has := strings.CutPrefix(word, flag+"="); has {
				return value
			}
			if word == flag && i+1 < len(words) {
				return words[i+1]
			}
		}
	}
	return ""
}

// socketAddress returns what the enabled bridge.socket holds under the name public, ""
// for nothing.
func socketAddress(dirs []string) string {
	enabled := slices.ContainsFunc(dirs, func(dir string) bool {
		_, err := os.Lstat(filepath.Join(dir, "sockets.target.wants", socketUnit))
		return err == nil
	})
	if !enabled {
		return ""
	}
	listen, name := "", ""
	for _, s := range readUnit(dirs, socketUnit) {
		switch s.name {
		case "ListenStream":
			listen = cmp.Or(listen, s.value)
			if s.value == "" {
				listen = ""
			}
		case "FileDescriptorName":
			name = s.value
		}
	}
	if !strings.Contains(listen, ":") && listen != "" {
		listen = ":" + listen
	}
	if name != "public" || address(listen) != nil {
		return ""
	}
	return listen
}

// unitSetting is one assignment of a unit.
type unitSetting struct{ name, value string }

// readUnit returns the assignments of a unit and of its drop-ins, and of its template's,
// in the order in which systemd reads them; none where it is not installed. Sections are
// not told apart: no name that is looked for is in two.
func readUnit(dirs []string, name string) []unitSetting {
	var files []string
	dropIns := map[string]string{}
	of, instance := template(name)
	for _, unit := range []string{name, of} {
		if unit == "" {
			continue
		}
		for _, dir := range dirs {
			if path := filepath.Join(dir, unit); files == nil && exists(path) {
				files = []string{path}
			}
			found, _ := filepath.Glob(filepath.Join(dir, unit+".d", "*.conf"))
			for _, path := range found {
				if _, stronger := dropIns[filepath.Base(path)]; !stronger {
					dropIns[filepath.Base(path)] = path
				}
			}
		}
	}
	specifiers := strings.NewReplacer("%%", "%", "%i", instance, "%n", name)
	if files == nil {
		return nil
	}
	for _, base := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[base])
	}
	var settings []unitSetting
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // as if it said nothing: what is missing then is named
		}
		for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
			line = strings.TrimSpace(line)
			if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
				settings = append(settings, unitSetting{strings.TrimSpace(key), specifiers.Replace(strings.TrimSpace(value))})
			}
		}
	}
	return settings
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// readInstalled reads the files that the service's credentials are copied from. One
// that only root may read counts as not given: a command that needs it says so.
func (l *loader) readInstalled(in installation) (layer, []Problem) {
	out := layer{}
	var problems []Problem
	for _, f := range l.config.fields {
		file := in.credentials[f.key]
		if !f.secret || file == "" {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Type() == fs.ModeSocket {
			continue // asked by systemd alone
		}
		origin := Origin{Layer: FromCredential, Name: f.key + " of " + in.unit, SecretFile: file}
		value, err := readSecret(file, f)
		switch {
		case errors.Is(err, fs.ErrPermission):
			l.config.unread[f.key] = file
		case err != nil:
			problems = append(problems, Problem{
				Key: f.key, Origin: origin.String(), Reason: bareError(err),
				Accepted: "a file with the secret in it, or no LoadCredential= of it in " + in.unit + ", which does not start like this",
			})
		default:
			out[f.key] = entry{value: value, origin: origin}
		}
	}
	return out, problems
}

// Unset is the error for a setting that a command needs and that is not there.
func (c *Config) Unset(key, reason, accepted string) error {
	return &Error{Problems: []Problem{c.unset(key, reason, accepted)}}
}

func (c *Config) unset(key, reason, accepted string) Problem {
	if file := c.unread[key]; file != "" {
		return Problem{Key: key, Reason: "is in " + file + ", which this user may not read: run the command as root"}
	}
	return Problem{Key: key, Reason: reason, Accepted: accepted}
}

// SocketActivated reports whether systemd holds the public address: Listen is that of
// the installed bridge.socket then.
func (c *Config) SocketActivated() bool { return c.socket }
