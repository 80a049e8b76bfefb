package pgoutput

// Begin starts a transaction.
type Begin struct {
	// FinalLSN is where the transaction's commit record starts. It is the
	// same on every delivery of the transaction.
	FinalLSN LSN
	// CommitTime is the server's clock at the commit.
	CommitTime Time
	XID        uint32
}

func (m *Begin) decode(r *reader) error {
	m.FinalLSN, m.CommitTime, m.XID = r.lsn(), r.time(), r.uint32()
	return r.end("Begin")
}

// Commit ends a transaction.
type Commit struct {
	// CommitLSN is where the commit record starts: Begin's FinalLSN.
	CommitLSN LSN
	// EndLSN is the byte after the commit record: what to confirm. Confirming
	// CommitLSN makes the server send the transaction again, one byte more
	// than EndLSN can lose the next one (both measured).
	EndLSN     LSN
	CommitTime Time
}

func (m *Commit) decode(r *reader) error {
	r.byte() // flags, unused
	m.CommitLSN, m.EndLSN, m.CommitTime = r.lsn(), r.lsn(), r.time()
	return r.end("Commit")
}

// Origin follows Begin where the transaction was replayed from another node.
type Origin struct {
	CommitLSN LSN
	Name      string
}

func (m *Origin) decode(r *reader) error {
	m.CommitLSN, m.Name = r.lsn(), r.cstring()
	return r.end("Origin")
}

// LogicalMessage is what pg_logical_emit_message wrote. It is only sent where
// it is asked for; one that is not transactional comes before the Begin of
// the transaction that wrote it.
type LogicalMessage struct {
	Transactional bool
	LSN           LSN
	Prefix        string
	// Content aliases the message.
	Content []byte
}

func (m *LogicalMessage) decode(r *reader) error {
	m.Transactional = r.byte()&1 != 0
	m.LSN, m.Prefix = r.lsn(), r.cstring()
	m.Content = r.take(int(r.uint32()))
	return r.end("Message")
}
