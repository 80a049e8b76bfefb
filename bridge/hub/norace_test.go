//go:build !race

package hub_test

const defaultSeeds = 2000
