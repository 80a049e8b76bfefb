package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// NoticeKind is the kind of a Notice.
type NoticeKind uint8

// The kinds. Their numbers are on the wire.
const (
	// hello announces a node: Key is the address at which other nodes reach it, Text its About.
	hello NoticeKind = iota + 1
	// Typing is a client's typing notice: Text is what clients of the Workspace are told.
	Typing
	// Left: the User is not in the Workspace any more.
	Left
	// Ordered: there may be another order, see Orders.
	Ordered
	// Freed: the leader has ended in order, and the database's slot is free.
	Freed
	// asks requests a hello of every node.
	asks
	noticeKinds
)

// maxNotice bounds a notice in bytes.
const maxNotice = 64 << 10

// Notice is a message to all other nodes. It may be lost; what must not be lost is in the
// stream, or polled.
type Notice struct {
	Kind NoticeKind
	// From is the id of the node; Bus.Send sets it.
	From string
	// Of is the node's database; Bus.Send sets it. Nodes of another one ignore the notice.
	Of History
	// Workspace is that of all that clients are told.
	Workspace, Key, User string
	Text                 []byte
}

// encode returns the form on the wire.
func (n *Notice) encode() []byte {
	b := make([]byte, 0, 32+len(n.Workspace)+len(n.Key)+len(n.User)+len(n.Text))
	b = append(b, FormatVersion, byte(n.Kind))
	for _, s := range []string{n.From, n.Workspace, n.Key, n.User} {
		b = appendBytes(b, []byte(s))
	}
	// Kind, From and Key are where they were in every format so far: see meetOutdated.
	b = appendBytes(b, n.Text)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, n.Of.System), n.Of.Database)
}

// errNoNotice: the message is no notice of this version.
var errNoNotice = errors.New("it is no notice")

// decodeNotice reads what encode wrote, and nothing else. Text aliases data.
func decodeNotice(data []byte) (n Notice, err error) {
	if len(data) > maxNotice {
		return n, errNoNotice
	}
	r := reader{data: data}
	if v := r.byte(); r.err == nil && v != FormatVersion {
		return n, &VersionError{int(v)}
	}
	n.Kind = NoticeKind(r.byte())
	n.From, n.Workspace, n.Key, n.User = string(r.bytes()), string(r.bytes()), string(r.bytes()), string(r.bytes())
	n.Text = r.bytes()
	n.Of = History{r.uint64(), r.uint32()}
	switch {
	case r.err != nil:
		return Notice{}, fmt.Errorf("read a notice: %w", r.err)
	case len(r.data) > 0 || n.Kind == 0 || n.Kind >= noticeKinds || !IsNodeID(n.From):
		return Notice{}, errNoNotice
	}
	return n, nil
}
