package pgoutput_test

import (
	"encoding/binary"
	"fmt"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

var be = binary.BigEndian

func bit(b bool, v byte) byte {
	if b {
		return v
	}
	return 0
}

func appendCString(b []byte, s string) []byte { return append(append(b, s...), 0) }

// schemaName undoes the decoder's replacement of an empty schema.
func schemaName(s string) string {
	if s == "pg_catalog" {
		return ""
	}
	return s
}

func appendTuple(b []byte, row source.Row) []byte {
	b = be.AppendUint16(b, uint16(len(row)))
	for _, v := range row {
		switch v.Kind {
		case source.Null:
			b = append(b, 'n')
		case source.Unchanged:
			b = append(b, 'u')
		case source.Text:
			b = append(be.AppendUint32(append(b, 't'), uint32(len(v.Data))), v.Data...)
		default:
			panic(fmt.Sprintf("kind %d", v.Kind))
		}
	}
	return b
}

// encode is the server's side: the message that decodes to m.
func encode(m pgoutput.Message) []byte {
	switch m := m.(type) {
	case *pgoutput.Begin:
		b := be.AppendUint64([]byte{'B'}, uint64(m.FinalLSN))
		return be.AppendUint32(be.AppendUint64(b, uint64(m.CommitTime)), m.XID)
	case *pgoutput.Commit:
		b := be.AppendUint64([]byte{'C', 0}, uint64(m.CommitLSN))
		return be.AppendUint64(be.AppendUint64(b, uint64(m.EndLSN)), uint64(m.CommitTime))
	case *pgoutput.Origin:
		return appendCString(be.AppendUint64([]byte{'O'}, uint64(m.CommitLSN)), m.Name)
	case *pgoutput.LogicalMessage:
		b := be.AppendUint64([]byte{'M', bit(m.Transactional, 1)}, uint64(m.LSN))
		b = appendCString(b, m.Prefix)
		return append(be.AppendUint32(b, uint32(len(m.Content))), m.Content...)
	case *pgoutput.Relation:
		b := be.AppendUint32([]byte{'R'}, m.ID)
		b = appendCString(appendCString(b, schemaName(m.Schema)), m.Name)
		b = be.AppendUint16(append(b, m.Identity), uint16(len(m.Columns)))
		for _, c := range m.Columns {
			b = appendCString(append(b, bit(c.Key, 1)), c.Name)
			b = be.AppendUint32(be.AppendUint32(b, c.TypeOID), uint32(c.TypeMod))
		}
		return b
	case *pgoutput.Type:
		b := be.AppendUint32([]byte{'Y'}, m.OID)
		return appendCString(appendCString(b, schemaName(m.Schema)), m.Name)
	case *pgoutput.Insert:
		return appendTuple(append(be.AppendUint32([]byte{'I'}, m.RelationID), 'N'), m.New)
	case *pgoutput.Update:
		b := be.AppendUint32([]byte{'U'}, m.RelationID)
		if m.OldKind != pgoutput.OldNone {
			b = appendTuple(append(b, byte(m.OldKind)), m.Old)
		}
		return appendTuple(append(b, 'N'), m.New)
	case *pgoutput.Delete:
		return appendTuple(append(be.AppendUint32([]byte{'D'}, m.RelationID), byte(m.OldKind)), m.Old)
	case *pgoutput.Truncate:
		b := be.AppendUint32([]byte{'T'}, uint32(len(m.RelationIDs)))
		b = append(b, bit(m.Cascade, 1)|bit(m.RestartIdentity, 2))
		for _, id := range m.RelationIDs {
			b = be.AppendUint32(b, id)
		}
		return b
	}
	panic(fmt.Sprintf("%T", m))
}
