// Package plan is a compiled mapping: expressions, and which columns make which
// event. Package mapping compiles to it, mapping/engine runs it for each row; it is
// internal because its types are many and nobody else's business.
//
//	plan.go       Plan: sections, references, sets of columns
//	env.go        Env: the rows that expressions are evaluated against
//	limit.go      Limit: how an Env renders values that are too large
//	expr.go       Expr; columns, constants, the first of several, if
//	text.go       text that has a form, or is written in another
//	join.go       several texts as one
//	words.go      translation by word lists
//	time.go       times
//	number.go     numbers, true and false
//	json.go       jsonb values
//	each.go       lists of what several rows give
//	object.go     objects, lists, objects with members added
//	kept.go       values that a row had before
//	condition.go  conditions
//
// Plans and expressions are immutable and shared; an Env belongs to one goroutine.
// Rendering allocates nothing but what its buffers grow by. The package imports
// source, convert and internal/jsonscan.
package plan
