// Package mapping is the language in which is written what a row means: the Spec,
// loaded, compiled and checked. For any change of a row a mapping says exactly the
// events that ChatEngine would have sent.
//
// The language (docs/mapping.md) is YAML: a preset, `crm` or `chatengine`, and a
// file of the operator's own that changes parts of it or replaces it. Load compiles
// them to a Spec, which is immutable and safe for concurrent use. mapping/engine
// runs it.
//
//	load.go              Load, Parse: the preset and the operator's file
//	overlay.go           the file laid over the preset
//	spec.go              Spec, Table, Column: what is read, for whoever asks the database
//	compile.go           compiler: documents, keys, tables, columns
//	compilesection.go    the sections message, conversation, typing
//	compilereference.go  the section references
//	compilekey.go        what identifies a row: columns, places inside JSON
//	derived.go           the values of such keys
//	compileeach.go       references of which a message has several rows
//	compilewords.go      the section words
//	compilemember.go     members, by name and of other members
//	compileexpr.go       expressions: what their head says
//	compilevalue.go      constants, times, numbers, jsonb
//	compileobject.go     objects, lists, merge
//	compilejoin.go       several texts as one
//	compilekept.go       values that outlive the row's change
//	compilestatus.go     the status, with and without its fallback
//	compilemodified.go   what may stand beside a head: as, words, shape, else
//	compilecondition.go  conditions
//	compilewhere.go      which messages make events
//	compileslots.go      which columns which event reads
//	contractform.go      what the contract says of a member, read off its Go types
//	check.go             Check: the Spec against the real columns
//	checkconditions.go   CheckConditions: conditions that never hold
//	checktypes.go        CheckTypes: times that are numbers without a unit
//	fingerprint.go       whether two mappings say the same
//	problem.go           Error: all that is wrong, by file and line
//
// # Which package imports which
//
//	contract  the events: Kind, Event, the payload types
//	internal/convert, internal/plan ← mapping ← engine ← lookup
//
// The compiled plan is in internal/plan: mapping builds it and engine runs it, so it
// can be in neither without one importing all of the other, and outside it is
// nobody's business. mapping reads YAML and compiles once; engine has no YAML and
// runs per row; contract is all that hub and replay import.
//
// # Purity
//
// Load reads one file; the package does no other I/O and has no clock, logger or
// goroutine. It must not import mapping/engine, bridge or socketio.
package mapping
