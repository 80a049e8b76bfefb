//go:build race

package hub_test

// defaultSeeds: the race detector makes the model ten times slower, and the
// interleavings that it looks for are in every program.
const defaultSeeds = 100
