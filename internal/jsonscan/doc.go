// Package jsonscan walks, reads and writes JSON text without building values.
//
//	scan.go     members and elements of valid text, one after the other; paths
//	unquote.go  the text of a string; what is a number, what is valid
//	text.go     a string as JSON.stringify writes it
//	length.go   how long a string is in JSON, and where to cut it
//	marshal.go  json.Marshal without the escapes for HTML
//
// The scanner takes text that is valid JSON and checks no more than it must to
// stay inside it; on other text it reports so and never panics. Nothing is
// shared: all functions may be called concurrently. It imports nothing of ours.
package jsonscan
