package mapping_test

import (
	"os"
	"testing"

	"chatbridge/mapping"
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

func discard(*mapping.Event) error { return nil }
