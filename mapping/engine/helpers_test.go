package engine_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/source"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

func load(tb testing.TB, preset string) *mapping.Spec {
	tb.Helper()
	spec, err := mapping.Load(preset, "")
	if err != nil {
		tb.Fatal(err)
	}
	return spec
}

// text is a value; "" is null.
func text(s string) source.Value {
	if s == "" {
		return source.Value{Kind: source.Null}
	}
	return source.Value{Kind: source.Text, Data: []byte(s)}
}

func discard(*contract.Event) error { return nil }

// jsonString is a string as JSON.stringify writes it.
func jsonString(tb testing.TB, s string) string {
	tb.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		tb.Fatal(err)
	}
	// Go escapes these two for JavaScript before 2019; JSON.stringify does not.
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSuffix(b.String(), "\n"))
}
