package bridge

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
)

var updateStatus = flag.Bool("update-status", false, "write testdata/status.txt anew")

// TestStatusKeys: scripts and the console rely on the keys of /status, their
// order and the types of their values.
func TestStatusKeys(t *testing.T) {
	s := Status{Gateway: gateway.Status{}}
	set(reflect.ValueOf(&s).Elem())
	s.Gateway = gateway.Status{Since: time.Unix(1, 0), Probed: time.Unix(1, 0), HealthySince: time.Unix(1, 0), ProbeError: "some"}
	w := httptest.NewRecorder()
	writeJSON(w, 200, s)
	var b strings.Builder
	dec := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	if err := keys(&b, dec, "status"); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/status.txt"
	if *updateStatus {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the keys of /status are\n%s\nwant\n%s", b.String(), want)
	}
}

// keys writes a line for each value: its path and its type.
func keys(b *strings.Builder, dec *json.Decoder, path string) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if err := keys(b, dec, fmt.Sprint(path, ".", key)); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if err := keys(b, dec, path+"[]"); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	default:
		fmt.Fprintf(b, "%s %T\n", path, token)
	}
	return err
}

// set gives every field a value that is not omitted.
func set(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			set(v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		set(e)
		v.SetMapIndex(reflect.ValueOf("some_reason"), e)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("some")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}
