// Package control lets the benchmark steer a server under test, by HTTP on a
// port beside the one that is measured: what to publish, and when to give
// memory back before it is counted. The Node.js server answers the same
// requests.
package control
