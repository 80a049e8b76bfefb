package configs

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"chatbridge/internal/nearest"
)

// envPrefix begins the environment variables that are ours.
const envPrefix = "BRIDGE_"

// EnvName returns the environment variable of a key: BRIDGE_ and the key in
// upper case with _ for each dot.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// ConfigEnv names the configuration file where no --config does.
const ConfigEnv = envPrefix + "CONFIG"

// notOurs are variables with our prefix that are no settings: the file's
// name, those of the demo's and the tests' helpers, and those that
// Kubernetes puts into every pod beside a Service named "bridge"
// (BRIDGE_SERVICE_HOST, BRIDGE_PORT_8080_TCP_ADDR, …).
var notOurs = regexp.MustCompile(`^BRIDGE_(CONFIG|POSTGRES_BIN|TEST_\w*|BENCH_\w*|SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)?)$`)

// variables returns the environment as a map.
func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// readEnvironment reads the settings of the environment into a layer. Of a
// key's variables BRIDGE_… is the strongest, then its aliases in their order.
func readEnvironment(env map[string]string, names *names, warn func(string)) (layer, []Problem) {
	out := layer{}
	var ours []string
	for _, key := range names.keys {
		name := EnvName(key)
		ours = append(ours, name)
		f, plain := names.fields[key]
		candidates := []string{name}
		if plain {
			candidates = append(candidates, f.aliases...)
		} else {
			f = names.fields[strings.TrimSuffix(key, fileSuffix)]
		}
		if e, ok := pick(env, candidates, f, warn); ok {
			out[key] = e
		}
	}
	return out, unknownVariables(env, ours)
}

// pick takes the first of the variables that is set.
func pick(env map[string]string, candidates []string, f *field, warn func(string)) (entry, bool) {
	var found entry
	for i, name := range candidates {
		value, set := env[name]
		if !set || value == "" && (!f.emptyEnv || i > 0) {
			continue
		}
		if name == "PORT" {
			value = ":" + value
		}
		switch {
		case found.value == nil:
			found = entry{value: value, origin: Origin{Layer: FromEnvironment, Name: name}}
		case found.value != value:
			warn(found.origin.Name + " and " + name + " are both set and differ: " + f.key + " is taken from " + found.origin.Name)
		}
	}
	return found, found.value != nil
}

func unknownVariables(env map[string]string, ours []string) []Problem {
	slices.Sort(ours)
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, known := slices.BinarySearch(ours, name); known || !strings.HasPrefix(name, envPrefix) || notOurs.MatchString(name) {
			continue
		}
		reason := "is not a known setting"
		if near := nearest.Of(name, ours); near != "" {
			reason += "; did you mean " + near + "?"
		}
		problems = append(problems, Problem{Origin: "environment " + name, Reason: reason})
	}
	return problems
}
