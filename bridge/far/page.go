package far

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/lookup"
)

const (
	// pageBytes is the size at which a Page ends, pageRows how many rows it has at most.
	// A Page of messages goes beyond the former, up to twice, rather than end within a
	// millisecond.
	pageBytes = 8 << 20
	pageRows  = 1000
)

// Page is what one question is answered with.
type Page struct {
	// Payloads are those of the events that the stream would have sent, in order.
	Payloads [][]byte
	// Rows is how many were read, Bytes the size of the Payloads.
	Rows, Bytes int
	// Short tells that a bound left something out which the next Page does not have.
	Short bool
}

// Messages returns a conversation's messages since a time, zero for all: the oldest
// first, limit of them, pageRows at most. lookup.Past.Page says what may come besides. A
// conversation that is none of the workspace's has none. The error is as that of Read.
func (r *Reader) Messages(ctx context.Context, workspace, conversation string, since time.Time, limit int) (Page, error) {
	return r.page(ctx, workspace, partMessages, func(ctx context.Context, p *lookup.Past) ([]lookup.PastKey, bool, error) {
		return p.Page(ctx, workspace, conversation, since, min(limit, pageRows), pageRows)
	})
}

// Conversations returns the workspace's conversations, the latest change first, the
// latest pageRows. The error is as that of Read.
func (r *Reader) Conversations(ctx context.Context, workspace string) (Page, error) {
	return r.page(ctx, workspace, partConversations, func(ctx context.Context, p *lookup.Past) ([]lookup.PastKey, bool, error) {
		return p.List(ctx, workspace, pageRows)
	})
}

// page reads the rows of the keys, in their order.
func (r *Reader) page(ctx context.Context, workspace string, kind partKind, ask func(context.Context, *lookup.Past) ([]lookup.PastKey, bool, error)) (page Page, err error) {
	if !r.paged {
		return Page{}, fmt.Errorf("%w: pages are read over a direct connection to the database only; set lookup.url", errors.ErrUnsupported)
	}
	r.counters.readings.Add(1)
	var keys []lookup.PastKey
	err = r.turn(ctx, workspace, false, func(ctx context.Context, w *worker) (err error) {
		keys, page.Short, err = ask(ctx, w.pages)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	var last time.Time // of the part before
	for _, p := range appendParts(nil, kind, keys) {
		first := keys[0]
		if page.Bytes >= pageBytes {
			together := kind == partMessages && first.At.Equal(last)
			if !together || page.Bytes >= 2*pageBytes {
				// Who asks for messages goes on from the last one's time.
				page.Short = page.Short || together || kind == partConversations
				break
			}
		}
		last, keys = keys[len(p.keys)-1].At, keys[len(p.keys):]
		err := r.turn(ctx, workspace, true, func(ctx context.Context, w *worker) error {
			var out found
			err := r.events(ctx, w, workspace, p, func(ev *contract.Event) {
				payload := bytes.Clone(r.payload(ev))
				page.Payloads, page.Bytes = append(page.Payloads, payload), page.Bytes+len(payload)
			}, &out)
			page.Rows += len(out.rows)
			page.Short = page.Short || len(out.leftOut) > 0
			r.counters.rows.Add(uint64(len(out.rows)))
			return err
		})
		if err != nil {
			return Page{}, err
		}
	}
	if page.Short {
		r.counters.truncated.Add(1)
	}
	return page, nil
}
