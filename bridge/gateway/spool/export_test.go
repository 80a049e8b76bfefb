package spool

import "go.etcd.io/bbolt"

// Commits returns the number of the last transaction.
func (s *Spool) Commits() (n int) {
	_ = s.use(func(st *store) error {
		return st.db.View(func(tx *bbolt.Tx) error {
			n = tx.ID()
			return nil
		})
	})
	return n
}

// Hold has all changes wait until the returned function is called.
func (s *Spool) Hold() (release func()) {
	tx, err := s.store.db.Begin(true)
	if err != nil {
		panic(err)
	}
	return func() { _ = tx.Rollback() }
}
