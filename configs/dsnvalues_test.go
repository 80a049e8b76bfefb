package configs_test

import (
	"errors"
	"strings"
	"testing"

	"chatbridge/configs"
)

// TestRemedyOfAnAddress: what is wrong with an address is named, with what is right for
// that, although its value is not shown.
func TestRemedyOfAnAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:p@h/d?sslmode=verify-full&sslrootcert=/nonexist": "/nonexist: no such file or directory); accepted: sslrootcert=",
		"postgres://u:p@h/d?connect_timeout=abc":                       `"abc": invalid syntax); accepted: connect_timeout=a whole number`,
		`"postgres://u:p@h/d"`:                                         "quotation mark",
		"'host=h user=u'":                                              "quotation mark",
		" postgres://u:p@h/d":                                          "has a space",
		"postgres://u:p@h/d\n":                                         "has a space",
	} {
		_, err := configs.Load(configs.Sources{Env: []string{"DATABASE_URL=" + address}})
		var wrong *configs.Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
}
