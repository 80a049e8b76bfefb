// Package access decides who may connect at all, before any token: which web
// pages (Origins, Loopback) and which addresses (Addresses), which address a request is
// from when it came through proxies (ClientAddr), and how much each may have in a second
// (Shares). It has what the bridge's HTTP handlers share besides: a request's path as it
// was written (RawPath, HasPath) and answers that a browser can read (Answer).
//
// Everything here may be used from any goroutine, and all but Shares is pure. The package
// imports nothing of this module but the writer of JSON and the key of a client.
package access
