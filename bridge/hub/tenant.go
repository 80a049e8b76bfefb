package hub

import (
	"container/list"
	"math"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/socketio"
)

// tenant is one workspace: its clients, rooms and part of the log.
type tenant struct {
	space   *replay.Space
	clients map[*Client]struct{} // connected now
	all     *socketio.Room       // all its sockets
	open    audience             // the clients that are sent every message
	// named counts the clients that are given messages under ChatEngine's ids.
	named int
	// rooms holds the sockets of each conversation that somebody subscribed to.
	rooms map[string]*conversationRoom
	// saved are the clients that left and may come back, in the order in which they left,
	// without those that had no subscriptions.
	saved list.List
	// subscriptions counts those of all its clients.
	subscriptions int
	// catchUp is when all that its clients were sent from the log and the tables would
	// have been sent at the rate of Shares.CatchUp.
	catchUp time.Time
	// pause is how long Publish may wait for its clients.
	pause budget
	// bytes is the memory of its clients' subscriptions, savedBytes that of clients that
	// left.
	bytes, savedBytes int64

	// readers are the clients whose pump runs.
	readers map[*Client]struct{}
	// safe: no reader that keeps reading needs an entry before this sequence
	// number. Zero: not known, victimNeeded finds it.
	safe uint64
}

// audience is the rooms of the clients that are sent some messages: own of those that
// get messages under their own ids, other of those that get them under ChatEngine's.
type audience struct{ own, other *socketio.Room }

func newAudience(n Broadcaster, name string) audience {
	return audience{own: n.Room(name), other: n.Room("n" + name)}
}

// roomOf returns the name of the room that is the client's.
func (a *audience) roomOf(c *Client) string {
	if c.Names.Other {
		return a.other.Name()
	}
	return a.own.Name()
}

type conversationRoom struct {
	conversation string // the text that all subscriptions share
	room         audience
	subscribers  int
}

// tenantOf returns the workspace's tenant, known or new. mu must be held.
func (h *Hub) tenantOf(workspace []byte) *tenant {
	t := h.tenants[string(workspace)]
	if t == nil {
		name := string(workspace)
		t = &tenant{
			space: h.log.Space(name), rooms: make(map[string]*conversationRoom),
			clients: make(map[*Client]struct{}), readers: make(map[*Client]struct{}),
			all: h.namespace.Room("w:" + name), open: newAudience(h.namespace, "o:"+name),
			pause: newBudget(h.opts.Workspace.Pause),
		}
		h.tenants[name] = t
	}
	return t
}

// subscribe returns the conversation's room, with one subscriber more.
func (t *tenant) subscribe(n Broadcaster, conversation string) *conversationRoom {
	r := t.rooms[conversation]
	if r == nil {
		name := "c:" + t.space.Workspace + "\x00" + conversation
		r = &conversationRoom{conversation: name[len(name)-len(conversation):], room: newAudience(n, name)}
		t.rooms[r.conversation] = r
	}
	r.subscribers++
	t.subscriptions++
	return r
}

func (t *tenant) unsubscribe(conversation string) {
	r := t.rooms[conversation]
	t.subscriptions--
	if r.subscribers--; r.subscribers == 0 {
		delete(t.rooms, conversation)
	}
}

// unused reports whether the tenant has neither clients, connected or saved, nor events.
func (t *tenant) unused() bool { return len(t.clients) == 0 && t.saved.Len() == 0 && t.space.Empty() }

// firstUnread returns the sequence number of the first entry that some client is
// still to read, the largest number where there is none.
func (t *tenant) firstUnread() uint64 {
	low := uint64(math.MaxUint64)
	for c := range t.readers {
		low = min(low, c.firstUnread())
	}
	return low
}
