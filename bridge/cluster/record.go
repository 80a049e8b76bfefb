package cluster

import (
	"encoding/binary"
	"fmt"
	"time"

	"chatbridge/mapping/contract"
)

// RecordKind is the kind of a Record.
type RecordKind uint8

// The kinds. Their numbers are in the stream.
const (
	// Published is an event.
	Published RecordKind = iota + 1
	// LeftOut is an event that was too large to be sent.
	LeftOut
	// MemberLeft and MemberJoined tell of a user and a workspace, MembersChanged that
	// others may have left.
	MemberLeft
	MemberJoined
	MembersChanged
	recordKinds
)

// Record is one item of the stream. The slices of one that was decoded alias the entry.
type Record struct {
	ID   ID
	Kind RecordKind
	// Event is the kind of a Published one.
	Event     contract.Kind
	Workspace []byte
	// Conversation is that of a Published or LeftOut event.
	Conversation []byte
	// Key is the id of a message of a Published event, the user of a member.
	Key []byte
	// Of, Other, Again and Created are as in hub.Event.
	Of      []byte
	Other   []byte
	Again   bool
	Created int64
	// Commit is when the transaction was committed, to the microsecond.
	Commit time.Time
	// Text is the packet of a Published event. A Follower may replace it by equal bytes
	// that it keeps, so that they are in memory once.
	Text []byte
}

const (
	flagAgain = 1 << iota
	flagOther
	flagCreated
	flagOf
	allFlags = flagAgain | flagOther | flagCreated | flagOf
)

// minRecord is how many bytes the code of a record has at least.
const minRecord = 3 + 16 + 5

// head returns the code of a record up to its Text, which may be shared.
func (r *Record) head() []byte {
	b := make([]byte, 0, 64+len(r.Workspace)+len(r.Conversation)+len(r.Key)+len(r.Of)+len(r.Other))
	b = append(b, byte(r.Kind), byte(r.Event))
	flags := byte(0)
	if r.Again {
		flags |= flagAgain
	}
	if len(r.Other) > 0 {
		flags |= flagOther
	}
	if r.Created != 0 {
		flags |= flagCreated
	}
	if len(r.Of) > 0 {
		flags |= flagOf
	}
	b = append(b, flags)
	b = appendID(b, r.ID)
	b = binary.AppendVarint(b, r.Commit.UnixMicro())
	b = appendName(b, r.Workspace)
	b = appendName(b, r.Conversation)
	b = appendName(b, r.Key)
	if len(r.Of) > 0 {
		b = appendName(b, r.Of)
	}
	if len(r.Other) > 0 {
		b = appendName(b, r.Other)
	}
	if r.Created != 0 {
		b = binary.AppendVarint(b, r.Created)
	}
	return binary.AppendUvarint(b, uint64(len(r.Text)))
}

// record reads one record.
func (r *reader) record() (rec Record) {
	rec.Kind, rec.Event = RecordKind(r.byte()), contract.Kind(r.byte())
	flags := r.byte()
	if r.err == nil && (rec.Kind == 0 || rec.Kind >= recordKinds || flags&^allFlags != 0) {
		r.fail(fmt.Errorf("it has a record of kind %d with flags %#x", rec.Kind, flags))
	}
	rec.ID = r.id()
	rec.Commit = time.UnixMicro(r.varint()).UTC()
	rec.Workspace, rec.Conversation, rec.Key = r.name(), r.name(), r.name()
	rec.Again = flags&flagAgain != 0
	if flags&flagOf != 0 {
		if rec.Of = r.name(); len(rec.Of) == 0 {
			r.fail(fmt.Errorf("record %s is under another id than an empty one", rec.ID))
		}
	}
	if flags&flagOther != 0 {
		if rec.Other = r.name(); len(rec.Other) == 0 {
			r.fail(fmt.Errorf("record %s has an empty other id", rec.ID))
		}
	}
	if flags&flagCreated != 0 {
		if rec.Created = r.varint(); rec.Created == 0 {
			r.fail(fmt.Errorf("record %s has an empty time of its row", rec.ID))
		}
	}
	rec.Text = r.bytes()
	return rec
}
