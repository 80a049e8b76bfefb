// Package access decides who may connect at all, before any token: which web
// pages (Origins, Loopback) and which addresses (Addresses), and which address a
// request is from when it came through proxies (ClientAddr).
//
// Everything here is pure and may be used from any goroutine. The package
// imports nothing else of this module.
package access
