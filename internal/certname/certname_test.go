package certname_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strconv"
	"strings"
	"testing"

	"chatbridge/internal/certname"
)

func TestOther(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 100 {
		many = append(many, "n"+strconv.Itoa(i))
	}
	for name, tt := range map[string]struct {
		certificate *x509.Certificate
		asked       string
		want        []string
	}{
		"names":                  {&x509.Certificate{DNSNames: []string{"db.example", "*.db.example"}}, "other.example", []string{"other.example was asked for", "for db.example, *.db.example"}},
		"names, by an address":   {&x509.Certificate{DNSNames: []string{"db.example"}}, "192.0.2.7", []string{"192.0.2.7 was asked for", "for db.example"}},
		"an address, by a name":  {&x509.Certificate{IPAddresses: []net.IP{net.ParseIP("192.0.2.7")}}, "db.example", []string{"db.example was asked for", "for 192.0.2.7"}},
		"a common name alone":    {&x509.Certificate{Subject: pkix.Name{CommonName: "db.example"}}, "db.example", []string{"db.example was asked for", "common name db.example, which does not count"}},
		"none":                   {&x509.Certificate{}, "db.example", []string{"it has no names"}},
		"no certificate":         {nil, "db.example", []string{"db.example was asked for"}},
		"many":                   {&x509.Certificate{DNSNames: many}, "x", []string{"n0, ", "n9, and 90 more"}},
		"names for the terminal": {&x509.Certificate{DNSNames: []string{"a\x1b[2J\nb"}}, "x", []string{"a?[2J?b"}},
	} {
		got := certname.Other(x509.HostnameError{Certificate: tt.certificate, Host: tt.asked})
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: want %q in %q", name, want, got)
			}
		}
	}
	if many[10] != "n10" {
		t.Error("the certificate was changed")
	}
}
