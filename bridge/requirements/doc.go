// Package requirements says what a bridge requires of its database: the tables
// and columns that the mapping and the membership checks read, the publication
// and the slot. The daemon, `bridge check` and `bridge setup` hold it against the
// database with package provision, and name the preset that fits the tables where the
// configured one does not. It must not import bridge.
package requirements
