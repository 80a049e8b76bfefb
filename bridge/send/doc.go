// Package send sends what users write while the bridge serves them: a client's
// sendMessage, and ChatEngine's REST.
//
//	request.go   Request, Result, Fault, Event: what is asked for, and what is told
//	sender.go    Sender: which requests are taken, and each one's way
//	events.go    the events that clients are told
package send
