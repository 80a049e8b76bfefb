// Package access decides who may connect at all, before any token is verified: which web
// pages (Origins, Loopback, Rebound) and which addresses (Addresses, ClientAddr), and how
// much each address may use in a second (Shares). It also has what the bridge's HTTP
// handlers share: a request's path as it was written (RawPath, HasPath) and answers that a
// browser can read (Answer).
//
//	origins.go     Origins: which web pages may connect
//	loopback.go    Loopback: keeps web pages from a loopback listener
//	rebinding.go   Rebound: DNS rebinding on other listeners
//	addresses.go   Addresses: which networks may connect
//	clientaddr.go  ClientAddr: the client behind proxies
//	shares.go      Shares: how much each address may use in a second
//	path.go        RawPath, HasPath, Below
//	answer.go      Answer, CORS
//
// Everything here may be used from any goroutine; only Shares has state that changes. Of
// this module the package imports only internal/jsonscan and internal/clientkey.
package access
