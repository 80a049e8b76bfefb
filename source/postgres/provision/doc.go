// Package provision looks at a database with the eyes of a bridge that is
// about to follow it: what is missing, what is wrong, and which exact
// statement mends it.
//
// Inspect reads catalogs and settings over an ordinary connection and changes
// nothing. Plan turns its Report into the statements that create what is
// missing, and Apply runs them. Connect turns an error of connecting into the
// same kind of Finding.
//
// Nothing in a plan can make one of the application's own statements fail: a
// table whose updates Postgres would refuse once they are published (one
// without a usable replica identity) is left out and reported, and a
// publication that exists is never narrowed.
//
// The package has no state and logs nothing. Its functions use the connection
// that they are given, one at a time.
package provision
