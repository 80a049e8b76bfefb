// Package demorun holds a test: the demo's traffic, through the whole path from
// Postgres to events, against the contract and against the database.
package demorun
