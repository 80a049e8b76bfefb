package bridge

import (
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/socketio"
	"chatbridge/source"
)

func newAnyEvent() *socketio.Packet { return socketio.NewEvent(hub.Namespace, "message") }

// replica gives the cluster's leader what the pipeline gives the Hub: a
// pipeline.Replica.
type replica struct{ node *cluster.Node }

func (r replica) leader(give func(l *cluster.Leader)) {
	if l := r.node.Leader(); l != nil {
		give(l)
	}
}

// Begin implements pipeline.Replica.
func (r replica) Begin(tx source.Tx) { r.leader(func(l *cluster.Leader) { l.Begin(tx.Commit) }) }

// Published implements pipeline.Replica.
func (r replica) Published(ev *hub.Event, now time.Time) {
	r.leader(func(l *cluster.Leader) {
		l.Publish(ev.Position, cluster.Record{
			Event: ev.Kind, Workspace: ev.Workspace, Conversation: ev.Conversation, Key: ev.Message,
			Of: ev.Of, Other: ev.Other, Again: ev.Again, Created: ev.Created, Commit: ev.Commit, Text: ev.Packet.Text(),
		}, now)
	})
}

// LeftOut implements pipeline.Replica.
func (r replica) LeftOut(workspace, conversation []byte, commit time.Time) {
	r.tell(cluster.Record{Kind: cluster.LeftOut, Workspace: workspace, Conversation: conversation, Commit: commit})
}

// Gap implements pipeline.Replica.
func (r replica) Gap(since, until time.Time, reason string) {
	r.leader(func(l *cluster.Leader) { l.Gap(cluster.Gap{Since: since.UTC(), Until: until.UTC(), Reason: reason}) })
}

// Restart implements pipeline.Replica.
func (r replica) Restart(since, until, began time.Time) {
	r.leader(func(l *cluster.Leader) {
		l.Restart(cluster.Restart{Since: since.UTC(), Until: until.UTC(), Began: began.UTC()})
	})
}

func (r replica) tell(record cluster.Record) {
	r.leader(func(l *cluster.Leader) { l.Tell(record, time.Now()) })
}

// replicaMembers gives changes of memberships to this bridge's clients and to the leader, for
// those of the other bridges.
type replicaMembers struct {
	replica
	here pipeline.Memberships
}

// MemberLeft implements pipeline.Memberships.
func (m replicaMembers) MemberLeft(user, workspace string) {
	m.here.MemberLeft(user, workspace)
	m.tell(cluster.Record{Kind: cluster.MemberLeft, Key: []byte(user), Workspace: []byte(workspace)})
}

// MemberJoined implements pipeline.Memberships.
func (m replicaMembers) MemberJoined(user, workspace string) {
	m.here.MemberJoined(user, workspace)
	m.tell(cluster.Record{Kind: cluster.MemberJoined, Key: []byte(user), Workspace: []byte(workspace)})
}

// MembersChanged implements pipeline.Memberships.
func (m replicaMembers) MembersChanged() {
	m.here.MembersChanged()
	m.tell(cluster.Record{Kind: cluster.MembersChanged})
}
