package api

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"chatbridge/bridge/send"
)

// Written tells how the database writes the ids of conversations, for Conversations that can.
type Written interface {
	// Written returns a conversation's id as the database writes it, "" where the workspace
	// has none of that id. An error means that there is no answer.
	Written(ctx context.Context, workspace, conversation string) (string, error)
}

// conversationIDs remembers how the database writes conversations' ids that are UUIDs: small,
// in small letters, as in a column of the type uuid; asPut, as inserted, as in one of a text
// type. Neither is set while that is not known.
type conversationIDs struct{ small, asPut atomic.Bool }

// ConversationID returns a conversation's id as the database writes it, and as it is published:
// a client may write a UUID in capitals. Until it knows how the database writes them it asks,
// which takes up to a second; without an answer it returns id. Safe for concurrent use.
func (s *Server) ConversationID(workspace, id string) string {
	if !send.IsUUID(id) || strings.ToLower(id) == id || s.ids.asPut.Load() {
		return id
	}
	if s.ids.small.Load() {
		return strings.ToLower(id)
	}
	asked, ok := s.opts.Conversations.(Written)
	if !ok || !s.typings.mayAsk(workspace, time.Now()) {
		return id
	}
	ctx, cancel := context.WithTimeout(s.hub.Context(), conversationTimeout)
	defer cancel()
	found, err := asked.Written(ctx, workspace, id)
	switch {
	case err != nil || found == "":
		return id
	case found == id:
		s.ids.asPut.Store(true)
	case found == strings.ToLower(id):
		s.ids.small.Store(true)
	}
	return found
}
