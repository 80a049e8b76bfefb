package configs

import "slices"

// field is one setting: its name, its default as the YAML file would have it,
// the environment variables it is known under besides BRIDGE_…, its kind.
type field struct {
	key     string
	def     string
	aliases []string
	// emptyEnv makes an empty environment variable a value. Elsewhere it
	// counts as not set, because that is what `NAME=${NAME:-}` in a compose
	// file means.
	emptyEnv bool
	kind
}

// section prefixes the keys of fields.
func section(prefix string, fields ...*field) []*field {
	for _, f := range fields {
		f.key = prefix + "." + f.key
	}
	return fields
}

// settings returns every setting, bound to c, in the order of bridge.yaml.
func (c *Config) settings() []*field {
	return slices.Concat(c.serverFields(), c.limitFields(), c.sourceFields(), c.authFields(), c.eventFields(), c.operationFields())
}
