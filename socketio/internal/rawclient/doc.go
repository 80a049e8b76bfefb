// Package rawclient is a client for tests that speaks frames and HTTP requests, not
// Engine.IO: what goes over the wire is what the test says. All waits end with the
// test's failure after 10 s.
package rawclient
