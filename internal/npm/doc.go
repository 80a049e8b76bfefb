// Package npm lets Go tests and benchmarks use what is published for Node.js:
// the real socket.io-client, the real Socket.IO server, supabase-js.
//
// A folder that needs npm packages has a package.json with exact versions,
// the package-lock.json made from it, and an .npmrc with
// omit-lockfile-registry-resolved=true, so that the lock file names no
// registry. Put it under testdata, which ./... leaves out:
//
//	npm.Install(t, "testdata/npm")
//	p := npm.Node(t, "testdata/npm/client.mjs", "-url", url)
//	p.Await("connected", nil)
//
// [Install] and [Node] are for tests; [CI] and [Start] are the same without a
// testing.TB, for commands.
//
// Concurrency: installing is safe from several test binaries at once, in
// several processes. A [Process] has one reader of its lines at a time; Send
// may be called from any goroutine.
//
// Lifecycle: a Process ends with Stop, which joins its goroutines; Node
// arranges that at the end of the test. Where the test binary dies without
// clean-up, Linux kills the process with it (internal/process).
//
//   - install.go, packages.go: npm ci, once per lock file
//   - process.go, lines.go, errtail.go: Process and its lines of output
//   - testing.go: the same for tests
//
// The package is test support: cmd/bridge does not import it.
package npm
