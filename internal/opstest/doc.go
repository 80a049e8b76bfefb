// Package opstest holds the tests of what operators touch: the program under
// an imitated systemd and in an imitated container, the unit, compose and
// alert files, and the documents' claims about them. They run the real binary,
// promtool and systemd-analyze. There is nothing here but tests.
package opstest
