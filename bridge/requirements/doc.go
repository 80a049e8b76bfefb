// Package requirements says what a bridge requires of its database: the tables
// and columns that the mapping and the membership checks read, the publication
// and the slot. The daemon, `bridge check` and `bridge setup` hold it against the
// database with package provision, and name the preset that fits the tables where the
// configured one does not.
//
//	requirements.go  Read: what this configuration and mapping require
//	fitting.go       Fitting: the preset that fits the tables
//	alike.go         the settings that all bridges of a cluster must have the same; which
//	                 database a connection leads to
//
// The package starts no goroutine and keeps no state. It must not import bridge.
package requirements
