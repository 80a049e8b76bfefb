// Package requirements says what a bridge requires of its database: the tables
// and columns that the mapping and the membership checks read, the publication
// and the slot. The daemon, `bridge check` and `bridge setup` compare that with the
// database by package provision, and name the preset that fits the tables if the
// configured one does not.
//
//	requirements.go  Read: what this configuration and mapping require
//	fitting.go       Fitting: the preset that fits the tables
//	alike.go         Alike: the settings that must be the same in all bridges of a
//	                 cluster; Database: which database a connection leads to
//
// The package starts no goroutine and keeps no state. It must not import bridge.
package requirements
