// Package access decides who may connect at all, before any token: which web
// pages (Origins, Loopback) and which addresses (Addresses), which address a request is
// from when it came through proxies (ClientAddr), and how much each may have in a second
// (Shares). It has what the bridge's HTTP handlers share besides: a request's path as it
// was written (RawPath, HasPath) and answers that a browser can read (Answer).
//
//	origins.go     Origins: which web pages may connect
//	loopback.go    Loopback: a listener for this machine, and web pages
//	rebinding.go   Rebound: a web page whose own name leads here
//	addresses.go   Addresses: which networks may connect
//	clientaddr.go  ClientAddr: the client behind proxies
//	shares.go      Shares: how much each address may have in a second
//	path.go        RawPath, HasPath, Below
//	answer.go      Answer, CORS
//
// Everything here may be used from any goroutine, and all but Shares is pure. The package
// imports nothing of this module but the writer of JSON and the key of a client.
package access
