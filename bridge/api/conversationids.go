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

// conversationIDs are how the database writes a conversation's id that is a UUID: a column of
// the type uuid in small letters, one of texts as it was put.
type conversationIDs struct{ small, asPut atomic.Bool }

// ConversationID returns a conversation's id as the database writes it, which a client may have named
// in capitals: what is published has the database's. It asks where that is not known yet; without
// an answer the id stays as it is. Safe for concurrent use.
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
