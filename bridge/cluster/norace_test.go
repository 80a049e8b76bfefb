//go:build !race

package cluster_test

const defaultSeeds = 2000
