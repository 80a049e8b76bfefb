// Package peer builds and runs the servers that the benchmarks compare, each as
// a process of its own on cores of its own, and steers it by bench/internal/control.
//
// Linux only; needs taskset (util-linux) and, for Node, Node.js and npm.
package peer
