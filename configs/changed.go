package configs

import "reflect"

// Changed returns the keys of the settings that differ between two Configs,
// secrets compared as they are, in the order of bridge.yaml.
func Changed(before, after *Config) []string {
	var keys []string
	for i, f := range before.fields {
		if !reflect.DeepEqual(f.value(), after.fields[i].value()) {
			keys = append(keys, f.key)
		}
	}
	return keys
}
