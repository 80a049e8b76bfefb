// Package stress tests package socketio over time and against clients that
// mean harm. It has no code but its tests.
//
// The soak connects and disconnects clients in every way there is, and wants
// memory and goroutines flat: 3,000 times, or as often as SOCKETIO_SOAK says;
// a release asks for 100,000.
package stress
