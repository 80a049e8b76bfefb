package check

import (
	"testing"

	"chatbridge/source/postgres/provision"
)

// A remedy that earlier findings have printed names all of them, not the last alone.
func TestEarlierGrantsAreAllNamed(t *testing.T) {
	t.Parallel()
	r := &run{}
	add := func(id, object, fix string) { r.add(Finding{ID: id, Object: object, Level: provision.Fail, Fix: fix}) }
	add("role.select", "public.messages", "GRANT USAGE ON SCHEMA public TO x; GRANT SELECT ON messages TO x;")
	add("role.select", "public.contacts", "GRANT USAGE ON SCHEMA public TO x; GRANT SELECT ON contacts TO x;")
	add("lookup.questions", "newest messages", "GRANT USAGE ON SCHEMA public TO x; GRANT SELECT ON messages TO x; GRANT SELECT ON contacts TO x;")
	if got, want := r.findings[2].Fix, "-- the GRANT of role.select public.messages, of role.select public.contacts, above"; got != want {
		t.Errorf("%s", got)
	}
}
