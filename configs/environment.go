package configs

import (
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

// readEnvironment reads NAME=value pairs into a layer. Of a key's variables
// BRIDGE_… is the strongest, then its aliases in their order.
func readEnvironment(environ []string, names *names, warn func(string)) (layer, []Problem) {
	env := map[string]string{}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	out := layer{}
	ours := map[string]bool{}
	for _, key := range names.keys {
		ours[EnvName(key)] = true
		base := strings.TrimSuffix(key, fileSuffix)
		f, plain := names.fields[key]
		if !plain {
			f = names.fields[base]
		}
		variables := []string{EnvName(key)}
		if plain {
			variables = append(variables, f.aliases...)
		}
		if e, ok := pick(env, variables, f, warn); ok {
			out[key] = e
		}
	}
	return out, unknownVariables(env, ours)
}

// pick takes the first of the variables that is set.
func pick(env map[string]string, variables []string, f *field, warn func(string)) (entry, bool) {
	var found entry
	for i, name := range variables {
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

func unknownVariables(env map[string]string, ours map[string]bool) []Problem {
	var candidates, unknown []string
	for name := range ours {
		candidates = append(candidates, name)
	}
	for name := range env {
		if strings.HasPrefix(name, envPrefix) && !ours[name] && !notOurs.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(candidates)
	slices.Sort(unknown)
	var problems []Problem
	for _, name := range unknown {
		reason := "is not a known setting"
		if near := nearest.Of(name, candidates); near != "" {
			reason += "; did you mean " + near + "?"
		}
		problems = append(problems, Problem{Origin: "environment " + name, Reason: reason})
	}
	return problems
}
