package send_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"chatbridge/bridge/send"
)

// TestAnothersFileIsLeftAlone: what send.state_file names by mistake is not written to, and
// that is told; a file of before the mark is the bridge's.
func TestAnothersFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	database := func(path string, buckets ...string) error {
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			return err
		}
		return errors.Join(db.Update(func(tx *bbolt.Tx) error {
			for _, name := range buckets {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		}), db.Close())
	}
	for name, c := range map[string]struct {
		make func(path string) error
		ours bool
	}{
		"another program's":                   {func(p string) error { return database(p, "consul-raft") }, false},
		"another program's with such buckets": {func(p string) error { return database(p, "consul-raft", "owners", "requests", "times") }, false},
		"the bridge's for another purpose":    {func(p string) error { return database(p, "body", "dead", "queue") }, false},
		"a text":                              {func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("root:x:0:0\n"), 100), 0o600) }, false},
		"of before the mark":                  {func(p string) error { return database(p, "owners", "requests", "times") }, true},
		"made and not written to":             {func(p string) error { return database(p) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "sends")
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			checked := send.CheckFile(path)
			opened := send.New(send.Options{Way: new(send.Outbox), File: path}).Open()
			if c.ours {
				if checked != nil || opened != nil {
					t.Errorf("checked: %v, opened: %v", checked, opened)
				}
				return
			}
			for _, err := range []error{checked, opened} {
				if err == nil || !strings.Contains(err.Error(), "no file of the bridge's") || !strings.Contains(err.Error(), "give send.state_file a path of its own") {
					t.Errorf("told %v", err)
				}
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
}
