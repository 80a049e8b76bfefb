package pipeline

import "chatbridge/source"

// Memberships is told of changes in the table of who belongs to which workspace. Its
// methods are called from the goroutine of the source and must not wait.
type Memberships interface {
	// MemberLeft: a row that had the user in the workspace is gone. There may be another
	// such row.
	MemberLeft(user, workspace string)
	// MemberJoined: the user is in the workspace.
	MemberJoined(user, workspace string)
	// MembersChanged: users may have left or joined, and the rows do not tell who.
	MembersChanged()
}

// MembersTable is the table of who belongs to which workspace.
type MembersTable struct {
	Schema, Name                string
	UserColumn, WorkspaceColumn string
}

// FollowMembers has the table's changes reported to to. Call it before the source runs.
func (p *Pipeline) FollowMembers(table MembersTable, to Memberships) {
	p.members = members{table: table, to: to}
}

// members recognizes the changes of the table. The zero members recognize none.
type members struct {
	table MembersTable
	to    Memberships
	// relation is the table's latest description; user and workspace are the indexes of
	// its columns, -1 for a missing one. other is the latest description of another table.
	relation, other *source.Relation
	user, workspace int
}

// change tells of a change, if it is one of the table.
func (m *members) change(c *source.Change) {
	if m.to == nil || !m.is(c.Relation) {
		return
	}
	user, workspace, known := m.ids(c.Old)
	newUser, newWorkspace, joined := m.ids(c.New)
	switch {
	case c.Op == source.Insert && joined:
		m.to.MemberJoined(newUser, newWorkspace)
	case c.Op == source.Delete && known:
		m.to.MemberLeft(user, workspace)
	case c.Op == source.Update && known && joined:
		if user != newUser || workspace != newWorkspace {
			m.to.MemberLeft(user, workspace)
			m.to.MemberJoined(newUser, newWorkspace)
		}
	default:
		// Without replica identity full, a DELETE and an UPDATE tell the primary
		// key alone; a TRUNCATE tells nothing.
		m.to.MembersChanged()
	}
}

// gap: changes of the table may have been lost.
func (m *members) gap() {
	if m.to != nil {
		m.to.MembersChanged()
	}
}

func (m *members) is(rel *source.Relation) bool {
	switch rel {
	case m.other:
		return false
	case m.relation:
		return true
	}
	if rel.Schema != m.table.Schema || rel.Name != m.table.Name {
		m.other = rel
		return false
	}
	m.relation, m.user, m.workspace = rel, -1, -1
	for i, column := range rel.Columns {
		switch column.Name {
		case m.table.UserColumn:
			m.user = i
		case m.table.WorkspaceColumn:
			m.workspace = i
		}
	}
	return true
}

// ids returns the user and the workspace of a row; known is false if it lacks either.
func (m *members) ids(row source.Row) (user, workspace string, known bool) {
	value := func(i int) (string, bool) {
		if i < 0 || i >= len(row) || row[i].Kind != source.Text {
			return "", false
		}
		return string(row[i].Data), true
	}
	user, hasUser := value(m.user)
	workspace, hasWorkspace := value(m.workspace)
	return user, workspace, hasUser && hasWorkspace
}
