package postgres

import (
	"errors"
	"fmt"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

var errOutside = errors.New("a change outside of a transaction")

// message decodes one message and hands it to the handler.
func (r *reading) message(x *pgoutput.XLogData) error {
	msg, err := r.decoder.Decode(x.Data)
	if err != nil {
		return &problem{
			class: classFatal, op: opRead, err: err,
			hint: "the server speaks a form of pgoutput that this version of the bridge does not know",
		}
	}
	switch m := msg.(type) {
	case *pgoutput.Insert:
		err = r.insert(m)
	case *pgoutput.Update:
		err = r.update(m)
	case *pgoutput.Delete:
		err = r.delete(m)
	case *pgoutput.Begin:
		err = r.begin(m, x)
	case *pgoutput.Commit:
		err = r.commit(m, x)
	case *pgoutput.Relation:
		r.rename(m)
		r.relations.describe(m)
	case *pgoutput.Type:
		m.Name = r.name(m.Name)
		r.relations.name(m)
	case *pgoutput.Truncate:
		err = r.truncate(m)
	case *pgoutput.Origin, *pgoutput.LogicalMessage:
		// Neither is requested and neither changes a row.
	}
	if err != nil {
		return streamError(err)
	}
	return nil
}

// streamError marks an error as the stream's unless it is the handler's. A
// function of its own because errors.As moves its target to the heap, which
// in message would be an allocation per row.
func streamError(err error) error {
	var h *handlerError
	if errors.As(err, &h) || errors.Is(err, errOtherHistory) {
		return err
	}
	return readProblem(classFatal, err)
}

func (r *reading) begin(m *pgoutput.Begin, x *pgoutput.XLogData) error {
	if r.state != betweenTx {
		return errors.New("a transaction inside a transaction")
	}
	r.tx = source.Tx{Commit: uint64(m.FinalLSN), Time: m.CommitTime.Std(), Again: r.s.keeper.handled(m.FinalLSN)}
	if err := r.verify(transactionID{m.FinalLSN, r.tx.Time}); err != nil {
		return err
	}
	reached, _ := r.s.progress.reached()
	if m.FinalLSN < reached {
		r.state = inSkippedTx
		return nil
	}
	r.state, r.changes = inTx, 0
	r.s.progress.begin(r.tx.Time, x.Sent.Std(), time.Now())
	if err := r.handler.Begin(r.tx); err != nil {
		return &handlerError{err}
	}
	return nil
}

func (r *reading) commit(m *pgoutput.Commit, x *pgoutput.XLogData) error {
	if r.state == betweenTx {
		return errors.New("a commit outside of a transaction")
	}
	if r.state == inSkippedTx {
		r.state = betweenTx
		r.verified(m.EndLSN)
		return nil
	}
	if err := r.handler.Commit(r.tx); err != nil {
		return &handlerError{err}
	}
	r.state = betweenTx
	r.verified(m.EndLSN)
	r.s.counters.transactions.Add(1)
	r.s.progress.commit(transactionID{pgoutput.LSN(r.tx.Commit), r.tx.Time}, m.EndLSN, x.Sent.Std(), time.Now(), r.changes > 0)
	if r.s.progress.overLimit() {
		r.requestStatus()
	}
	return nil
}

// beginChange begins a change of a table; the callers check the columns.
func (r *reading) beginChange(op source.Op, id uint32) (*source.Relation, error) {
	if r.state == betweenTx {
		return nil, errOutside
	}
	rel, err := r.relations.table(id)
	if err != nil {
		return nil, err
	}
	r.change = source.Change{Op: op, Relation: rel}
	return rel, nil
}

// deliver hands the change to the handler.
func (r *reading) deliver() error {
	if r.state == inSkippedTx {
		return nil
	}
	r.changes++
	if err := r.handler.Change(&r.change); err != nil {
		return &handlerError{err}
	}
	return nil
}

func (r *reading) insert(m *pgoutput.Insert) error {
	rel, err := r.beginChange(source.Insert, m.RelationID)
	if err != nil {
		return err
	}
	if err := check(rel, m.New); err != nil {
		return err
	}
	r.convert(rel, m.New)
	r.change.New = m.New
	r.s.counters.inserts.Add(1)
	return r.deliver()
}

func (r *reading) update(m *pgoutput.Update) error {
	rel, err := r.beginChange(source.Update, m.RelationID)
	if err != nil {
		return err
	}
	if err := check(rel, m.New); err != nil {
		return err
	}
	if err := r.setOld(rel, m.OldKind, m.Old); err != nil {
		return err
	}
	r.convert(rel, m.New)
	r.fillUnchanged(m.New, m.OldKind, m.Old)
	r.change.New = m.New
	r.s.counters.updates.Add(1)
	return r.deliver()
}

func (r *reading) delete(m *pgoutput.Delete) error {
	rel, err := r.beginChange(source.Delete, m.RelationID)
	if err != nil {
		return err
	}
	if err := r.setOld(rel, m.OldKind, m.Old); err != nil {
		return err
	}
	r.s.counters.deletes.Add(1)
	return r.deliver()
}

func (r *reading) truncate(m *pgoutput.Truncate) error {
	for _, id := range m.RelationIDs {
		if _, err := r.beginChange(source.Truncate, id); err != nil {
			return err
		}
		r.s.counters.truncates.Add(1)
		if err := r.deliver(); err != nil {
			return err
		}
	}
	return nil
}

// setOld sets the change's old row. In a key tuple a column outside of the key
// comes as null, which means that it was not sent.
func (r *reading) setOld(rel *source.Relation, kind pgoutput.Old, row source.Row) error {
	if kind == pgoutput.OldNone {
		return nil
	}
	if err := check(rel, row); err != nil {
		return fmt.Errorf("old row: %w", err)
	}
	r.convert(rel, row)
	if kind == pgoutput.OldKey {
		for i := range row {
			if !rel.Columns[i].Key {
				row[i] = source.Value{}
			}
		}
	}
	r.change.Old = row
	return nil
}

// fillUnchanged takes values that are stored out of line and unchanged from the
// old row. Only a full old row has them.
func (r *reading) fillUnchanged(row source.Row, kind pgoutput.Old, old source.Row) {
	for i := range row {
		if row[i].Kind != source.Unchanged {
			continue
		}
		if kind == pgoutput.OldFull {
			row[i] = old[i]
		} else {
			r.s.counters.unfilled.Add(1)
		}
	}
}
