// Package certname says for which names a certificate is that is not for the one that was
// asked for. It imports nothing of the module.
package certname

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// most bounds the names that are listed.
const most = 10

// Other says which name was asked for, and which ones the certificate has.
// x509.HostnameError's own text leaves them out where the certificate has no names of
// that kind.
func Other(e x509.HostnameError) string {
	var names []string
	if c := e.Certificate; c != nil {
		names = append(names, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			names = append(names, ip.String())
		}
	}
	for i, name := range names {
		names[i] = printable(name)
	}
	if n := len(names) - most; n > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", n))
	}
	asked := printable(e.Host)
	switch c := e.Certificate; {
	case len(names) > 0:
		return asked + " was asked for, and it is for " + strings.Join(names, ", ")
	case c != nil && c.Subject.CommonName != "":
		return asked + " was asked for, and it has no name but the common name " + printable(c.Subject.CommonName) +
			", which does not count: it needs a subject alternative name"
	}
	return asked + " was asked for, and it has no names"
}

// printable replaces what a certificate of somebody else could do to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
