package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5/pgconn"
)

// The Place is saved in the database as a large object of our role. That needs
// no table and no right beyond the one to connect; it is replicated to standbys,
// so a promoted one that has no slot still knows what was confirmed; and it does
// not show in the stream. The alternatives were worse: a comment on the
// publication needs its ownership and is DDL, after which PostgREST reloads its
// schema cache; a replication origin needs a right that only a superuser grants,
// and holds only an LSN; a logical message can be read only through the slot
// whose loss is to be noticed.
//
// The object's number is derived from the slot's name; it begins a short range,
// in case another role or another program has an object of that number.

const (
	objectRange = 8
	objectSize  = 2048 // one row of pg_largeobject; larger places take multiples
)

var errNoObject = errors.New("no large object is kept there, and none may be created (source.postgres.create)")

// Objects returns the range of the large objects that may hold the Place of a
// slot.
func Objects(slot string) (first, last uint32) {
	base := objectBase(slot)
	return base, base + objectRange - 1
}

// objectBase returns the first of the numbers that may hold a slot's place.
func objectBase(slot string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("chatbridge " + slot))
	return 0xC0000000 | h.Sum32()&0x3FFFFFF8
}

const findObjectSQL = `select m.oid::int8, encode(lo_get(m.oid), 'hex') from pg_largeobject_metadata m
	where m.oid::int8 >= $1::int8 and m.oid::int8 < $2::int8 and pg_has_role(m.lomowner, 'usage') order by m.oid`

// loadObject returns the place that is saved in the database, the zero Place if
// none is.
func (c *control) loadObject(ctx context.Context) (Place, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	base := int64(objectBase(c.s.opts.Slot))
	rows, err := c.conn.Query(ctx, findObjectSQL, base, base+objectRange)
	if err != nil {
		return Place{}, err
	}
	defer rows.Close()
	c.object = 0
	var found Place
	for rows.Next() {
		var oid int64
		var text string
		if err := rows.Scan(&oid, &text); err != nil {
			return Place{}, err
		}
		raw, err := hex.DecodeString(text)
		if err != nil {
			continue
		}
		if p, err := DecodePlace(raw); err == nil && p.Slot == c.s.opts.Slot {
			c.object, found = uint32(oid), p
		}
	}
	return found, rows.Err()
}

// whileReading is the condition of every write: that our stream still has the slot. A bridge
// that slept while another one read on would take back what that has saved, and whoever
// reads next would report all since then as lost.
const whileReading = ` from pg_replication_slots where slot_name = $3 and active_pid = $4`

// errNotReading: another bridge has the slot, or will.
var errNotReading = errors.New("the slot is another reader's")

// saveObject saves p in the database, or returns errNotReading.
func (c *control) saveObject(ctx context.Context, p Place) error {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	// A write does not shorten an object, so all have multiples of one size.
	padded := make([]byte, (len(text)/objectSize+1)*objectSize)
	for i := copy(padded, text); i < len(padded); i++ {
		padded[i] = ' '
	}
	data := hex.EncodeToString(padded)
	if c.object == 0 {
		if _, err := c.loadObject(ctx); err != nil {
			return err
		}
	}
	if c.object != 0 {
		err := c.write(ctx, `select lo_put($1::int8::oid, 0, decode($2, 'hex'))`, c.object, data)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42704" {
			return err
		}
		c.object = 0 // somebody removed it, such as vacuumlo
	}
	if c.s.opts.Create == CreateNothing {
		return errNoObject
	}
	return c.createObject(ctx, data)
}

// write runs a statement on an object while our stream has the slot.
func (c *control) write(ctx context.Context, sql string, object uint32, data string) error {
	tag, err := c.conn.Exec(ctx, sql+whileReading, int64(object), data, c.s.opts.Slot, c.s.ownPID)
	if err == nil && tag.RowsAffected() == 0 {
		return errNotReading
	}
	return err
}

// createObject makes the object under the first number that is free.
func (c *control) createObject(ctx context.Context, data string) error {
	base := objectBase(c.s.opts.Slot)
	for oid := base; oid < base+objectRange; oid++ {
		err := c.write(ctx, `select lo_from_bytea($1::int8::oid, decode($2, 'hex'))`, oid, data)
		var pg *pgconn.PgError
		switch {
		case err == nil:
			c.object = oid
			return nil
		case !errors.As(err, &pg) || pg.Code != "23505" && pg.Code != "42710":
			return err
		}
	}
	return fmt.Errorf("the large objects %d to %d belong to others", base, base+objectRange-1)
}
