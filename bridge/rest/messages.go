package rest

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chatbridge/bridge/far"
)

// How many messages ChatEngine answers with: where the request does not say, and at
// most.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// maxID bounds an id, in bytes.
const maxID = 512

// messages answers with the messages of a conversation.
func (x *exchange) messages() {
	query := x.query
	conversation, since, limit := query.Get("conversationId"), time.Time{}, defaultLimit
	if conversation == "" {
		x.fail(http.StatusBadRequest, "conversationId is missing", wordsConversation)
		return
	}
	if len(conversation) > maxID {
		x.fail(http.StatusBadRequest, "conversationId is too long", "")
		return
	}
	if text := query.Get("since"); text != "" {
		var ok bool
		if since, ok = parseSince(text); !ok {
			x.fail(http.StatusBadRequest, "since is no time: write it as 2026-01-31T12:00:00.000Z", "")
			return
		}
	}
	if text := query.Get("limit"); text != "" {
		var ok bool
		if limit, ok = parseLimit(text); !ok {
			x.fail(http.StatusBadRequest, "limit is no whole number", "")
			return
		}
	}
	x.read(func(ctx context.Context) (far.Page, error) {
		return x.h.opts.Tables.Messages(ctx, x.principal.Workspace, conversation, since, limit)
	})
}

var wholeNumber = regexp.MustCompile(`^[+-]?[0-9]{1,40}$`)

// parseLimit reads a limit: as in ChatEngine one that is not above zero is as if there
// were none, and one that is too large the largest.
func parseLimit(text string) (int, bool) {
	if text = strings.TrimSpace(text); !wholeNumber.MatchString(text) {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	switch {
	case strings.HasPrefix(text, "-") || n == 0 && err == nil:
		return defaultLimit, true
	case err != nil || n > maxLimit: // it has too many digits
		return maxLimit, true
	}
	return n, true
}
