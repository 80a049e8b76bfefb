// Command bridge keeps a CRM's screens alive when its chat server is down: see
// `bridge help`. This package has only commands, flags, signals and exit codes.
// What the commands do is in the packages bridge, configs and those below.
//
//   - main.go signals and exit codes; root.go the command and its sub-commands
//   - serve.go `bridge serve`; activated.go a wrong configuration under systemd's socket;
//     memory.go the memory limit of the control group; logger.go the log
//   - config.go the flags of the settings, and loading them
//   - check.go, setup.go, map.go, token.go, tail.go, demo.go, gateway.go, spool.go,
//     healthcheck.go, version.go, refresh.go, manpages.go the sub-commands of these names
//   - tailerrors.go what to do where `bridge tail` cannot connect; printer.go its lines
//   - asking.go what the commands that ask a running bridge share
package main
