// Package opstest contains the tests of what operators use: the program under
// a test double of systemd and in a container, the unit, compose and alert files,
// and what the documents say of them. They run the real binary, promtool and
// systemd-analyze. The package contains nothing else.
package opstest
