// Package convert turns values as Postgres prints them into what the contract has.
// It knows bytes, no rows. All functions are pure and may be called concurrently.
//
//	time.go       times, as JavaScript's toISOString prints them
//	timeparse.go  times of any year and offset
//	timenumber.go     times that are numbers; the order of numbers
//	identity.go   WhatsApp's identities: phones, JIDs, LIDs (`as:`)
//	shape.go      named forms of text (`shape:`)
//	form.go       forms of JSON values
//	jsonedit.go   jsonb values without nulls, with times printed again, with members added
//
// It imports internal/jsonscan and nothing else of this module.
package convert
