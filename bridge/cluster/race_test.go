//go:build race

package cluster_test

// defaultSeeds: the race detector makes the model five times slower, and the
// interleavings that it looks for are in every program.
const defaultSeeds = 40
