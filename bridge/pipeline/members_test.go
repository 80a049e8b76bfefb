package pipeline_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/socketio"
	"chatbridge/source"
)

// changes notes what it is told.
type changes []string

func (c *changes) MemberLeft(user, workspace string) { *c = append(*c, "left "+user+" "+workspace) }

func (c *changes) MemberJoined(user, workspace string) { *c = append(*c, "joined "+user+" "+workspace) }
func (c *changes) MembersChanged()                     { *c = append(*c, "changed") }

// TestChangesOfMemberships: what is told of a row, by what the stream has of it.
func TestChangesOfMemberships(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Load("crm", "")
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.New(socketio.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	members := &source.Relation{Schema: "app", Name: "members", Identity: source.IdentityDefault, Columns: []source.Column{{Name: "id", Key: true}, {Name: "w"}, {Name: "u"}, {Name: "role"}}}
	namesake := &source.Relation{Schema: "public", Name: "members", Columns: members.Columns}
	without := &source.Relation{Schema: "app", Name: "members", Columns: members.Columns[:2]}
	text := func(values ...string) source.Row {
		var row source.Row
		for _, v := range values {
			row = append(row, source.Value{Kind: source.Text, Data: []byte(v)})
		}
		return row
	}
	key := source.Row{{Kind: source.Text, Data: []byte("1")}, {}, {}, {}}
	null := source.Row{{Kind: source.Text, Data: []byte("1")}, {Kind: source.Null}, {Kind: source.Text, Data: []byte("ana")}, {}}
	for name, tt := range map[string]struct {
		change source.Change
		want   []string
	}{
		"insert":                    {source.Change{Op: source.Insert, Relation: members, New: text("1", "w1", "ana", "agent")}, []string{"joined ana w1"}},
		"delete, all is known":      {source.Change{Op: source.Delete, Relation: members, Old: text("1", "w1", "ana", "agent")}, []string{"left ana w1"}},
		"delete, the key is":        {source.Change{Op: source.Delete, Relation: members, Old: key}, []string{"changed"}},
		"delete of a null":          {source.Change{Op: source.Delete, Relation: members, Old: null}, []string{"changed"}},
		"update of the role":        {source.Change{Op: source.Update, Relation: members, Old: text("1", "w1", "ana", "agent"), New: text("1", "w1", "ana", "admin")}, nil},
		"update of the user":        {source.Change{Op: source.Update, Relation: members, Old: text("1", "w1", "ana", "x"), New: text("1", "w1", "bob", "x")}, []string{"left ana w1", "joined bob w1"}},
		"update of the workspace":   {source.Change{Op: source.Update, Relation: members, Old: text("1", "w1", "ana", "x"), New: text("1", "w2", "ana", "x")}, []string{"left ana w1", "joined ana w2"}},
		"update, what was is not":   {source.Change{Op: source.Update, Relation: members, New: text("1", "w1", "ana", "x")}, []string{"changed"}},
		"truncate":                  {source.Change{Op: source.Truncate, Relation: members}, []string{"changed"}},
		"a table of another schema": {source.Change{Op: source.Delete, Relation: namesake, Old: text("1", "w1", "ana", "agent")}, nil},
		"a column is missing":       {source.Change{Op: source.Delete, Relation: without, Old: text("1", "w1")}, []string{"changed"}},
	} {
		var told changes
		p := pipeline.New(spec, engine.Options{}, hub.New(io.Namespace(hub.Namespace), hub.DefaultOptions()), slog.New(slog.DiscardHandler))
		p.FollowMembers(pipeline.MembersTable{Schema: "app", Name: "members", UserColumn: "u", WorkspaceColumn: "w"}, &told)
		tx := source.Tx{Commit: 1, Time: time.Now()}
		for range 2 { // the table's description is new once
			told = nil
			if err := p.Begin(tx); err != nil {
				t.Fatal(err)
			}
			if err := p.Change(&tt.change); err != nil {
				t.Fatal(err)
			}
			if err := p.Commit(tx); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(told, tt.want) {
				t.Errorf("%s: told %q, want %q", name, told, tt.want)
			}
			tx.Commit++
		}
		told = nil
		if err := p.Gap(source.Gap{Until: time.Now()}); err != nil || !slices.Equal(told, []string{"changed"}) {
			t.Errorf("%s: after a gap: %q, %v", name, told, err)
		}
	}
}
