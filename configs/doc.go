// Package configs is the bridge's configuration: one tree of settings
// (Config), read by Load from the defaults, a YAML file, systemd credentials,
// the environment and the command line's flags, each layer stronger than the
// one before it.
//
// viper opens the file, holds the defaults, merges the layers and binds the
// flags. Done by hand is what it does not do or does too leniently:
//
//   - The file is decoded by a decoder of ours. viper's own folds the case of
//     keys, accepts unknown ones, knows no lines, and makes numbers of secrets
//     (0123 becomes 83).
//   - The environment is read from Sources.Env. viper reads that of the process
//     only, has one rule for empty variables of all keys, and does not say which
//     of several variables a value came from.
//   - Keys are flat, with their dots. viper's nesting lets `log.level: info` at
//     the top of a file hide a value of `log:`.
//   - Values are parsed by a kind of each setting. viper's conversions make 60
//     of a duration without its unit 60ns, and 0 of a text.
//   - Secrets from files and credentials, and the origin of each value.
//
// Strict means: an unknown key, a value of the wrong type, a number without
// its unit and a secret given twice are errors. All of them are reported at
// once, each with the key, the value (secrets masked), the place it came from,
// what is accepted, and for an unknown name the nearest known one.
//
// The files:
//
//   - config.go: Config, the tree of settings; bridge.yaml embedded as Default
//   - settings.go: the table of all keys, defaults, aliases and kinds
//   - kinds.go, checks.go, size.go: the types of settings, how one text is
//     checked, sizes in bytes
//   - load.go: Sources, Load, merging of layers, derived settings
//   - file.go, environment.go, flags.go: the layers; unknown names
//   - installed.go: what an installed bridge.service gives the commands beside it
//   - secret.go: types that print masked, secrets from files
//   - credentials.go: the files that systemd passes to the service
//   - servicekey.go: keys of a Supabase project that do not serve
//   - dsnparameters.go: the parameters of a database's address: whose they are
//   - validate.go: Problem and Error, what `serve` needs, Warnings
//   - show.go: the settings for printing, Origin, Changed
//
// bridge.yaml beside this file is the documented default: every key with its
// default value. A test compares it with what Load gives without any source.
//
// Loading reads files and nothing else: no network, no goroutine, no logger.
// A *Config is not changed after Load returned it and may be shared. The
// package imports only internal/nearest of this module.
package configs
