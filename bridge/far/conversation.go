package far

import (
	"context"

	"chatbridge/mapping/contract"
)

// Conversation returns the payload of a conversation's event, as an UPDATE of its row
// would have made it; nil where the workspace has none of that key. It takes a turn as
// Read does.
func (r *Reader) Conversation(ctx context.Context, workspace, key string) (payload []byte, err error) {
	err = r.turn(ctx, workspace, true, func(ctx context.Context, w *worker) error {
		return r.events(ctx, w, workspace, part{kind: partConversations, keys: []string{key}}, func(ev *contract.Event) {
			payload = append([]byte(nil), ev.Payload...)
		}, new(found))
	})
	return payload, err
}
