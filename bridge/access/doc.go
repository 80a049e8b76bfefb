// Package access decides who may connect at all, before any token: which web
// pages (Origins, Loopback) and which addresses (Addresses), and which address a
// request is from when it came through proxies (ClientAddr). It has what the
// bridge's HTTP handlers share besides: a request's path as it was written
// (RawPath, HasPath) and answers that a browser can read (Answer).
//
// Everything here is pure and may be used from any goroutine. The package
// imports nothing of this module but the writer of JSON.
package access
