// Package configs is the bridge's configuration: one tree of settings
// (Config), read by Load from the defaults, a YAML file, systemd credentials,
// the environment and the command line's flags, each layer stronger than the
// one before it. viper holds the layers; this package names the keys, reads
// every value strictly and remembers where it came from.
//
// Strict means: a key that is not known, a value of the wrong type, a number
// without its unit and a secret given twice are errors. All of them are
// reported at once, each with the key, the value (secrets masked), the place
// it came from, what is accepted, and for an unknown name the nearest known
// one.
//
// bridge.yaml beside this file is the documented default: every key with its
// default value. It is embedded as Default and a test holds it equal to what
// Load gives without any source.
//
// Loading reads files and nothing else: no network, no goroutine, no logger.
// A *Config is not changed after Load returned it and may be shared. The
// package imports nothing else of this module.
package configs
