package engine

import "bytes"

// RowKey says which row is meant: its key, and the workspace within which that
// key is one. Ids such as a phone's digits are unique in their workspace only.
// Workspace is "" for a reference whose mapping names no workspace column: its
// key means one row wherever it is used.
type RowKey struct{ Workspace, Key string }

// rowKey is a RowKey that borrows its bytes.
type rowKey struct{ workspace, key []byte }

func (k rowKey) owned() RowKey { return RowKey{string(k.workspace), string(k.key)} }

func (k RowKey) bytes() rowKey { return rowKey{[]byte(k.Workspace), []byte(k.Key)} }

func (k rowKey) equal(o rowKey) bool {
	return bytes.Equal(k.key, o.key) && bytes.Equal(k.workspace, o.workspace)
}
