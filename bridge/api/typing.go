package api

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"chatbridge/bridge/hub"
	"chatbridge/internal/jsonscan"
	"chatbridge/socketio"
)

// Conversations tells which conversations there are. It is called from many
// goroutines, one call at a time.
type Conversations interface {
	// Has reports whether the workspace has the conversation. An error means that
	// there is no answer.
	Has(ctx context.Context, workspace, conversation string) (bool, error)
}

const (
	// conversationTimeout bounds one question, and the waiting for its turn.
	conversationTimeout = time.Second
	// knownFor is how long an answer that there is a conversation counts.
	knownFor = 10 * time.Minute
	// maxKnown bounds such answers.
	maxKnown = 20_000
	// A workspace's clients may ask so often in a second, and so often at once.
	questionsPerSecond = 10
	questionsAtOnce    = 100
)

// typingJudge knows of which conversations a client may say that somebody types.
type typingJudge struct {
	conversations Conversations
	turn          chan struct{} // has a token while a question is asked

	mu    sync.Mutex // guards what follows; not held while a question is asked
	known map[conversationOf]time.Time
	asked map[string]*rate.Limiter // by workspace
}

// conversationOf names a conversation of a workspace.
type conversationOf struct{ workspace, conversation string }

func newTypingJudge(c Conversations) *typingJudge {
	return &typingJudge{
		conversations: c, turn: make(chan struct{}, 1),
		known: make(map[conversationOf]time.Time), asked: make(map[string]*rate.Limiter),
	}
}

// typing passes a typing notice on to the workspace of its sender. A notice about a
// conversation of another workspace, or of none, is dropped without an error event,
// as ChatEngine does. Where there is no answer it passes: it never leaves the
// workspace.
func (s *Server) typing(c *client, e *socketio.Event) *fault {
	var notice struct {
		ConversationID *string `json:"conversationId"`
		UserID         string  `json:"userId"`
		IsTyping       *bool   `json:"isTyping"`
	}
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &notice) != nil || notice.ConversationID == nil || notice.IsTyping == nil {
		return badRequest("typing takes {conversationId, isTyping}")
	}
	if *notice.ConversationID == "" || len(*notice.ConversationID) > maxID {
		return badRequest("typing takes a conversation's id of 1 to 128 bytes")
	}
	*notice.ConversationID = s.ConversationID(c.principal.Workspace, *notice.ConversationID)
	if f := s.judgeTyping(c.principal.Workspace, *notice.ConversationID); f != nil {
		return f
	}
	notice.UserID = c.principal.User
	payload, err := jsonscan.Marshal(notice)
	if err != nil {
		return badRequest("typing takes {conversationId, isTyping}")
	}
	s.Typing(c.principal.Workspace, payload)
	if s.opts.Others != nil {
		s.opts.Others.Typing(c.principal.Workspace, payload)
	}
	return nil
}

// Typing tells the clients of a workspace that are connected here of somebody who types.
// Safe for concurrent use.
func (s *Server) Typing(workspace string, payload []byte) {
	s.hub.Broadcast(workspace, socketio.NewEvent(hub.Namespace, "typing", payload))
}

// Why a typing notice is dropped.
var (
	errUnknownConversation = &fault{"unknown_conversation", "the workspace has no conversation of that id"}
	errTypingRate          = &fault{"typing_rate", "the workspace's clients name too many different conversations"}
)

// dropped reports whether only an acknowledgement, if the client asks for one, carries the
// fault.
func (f *fault) dropped() bool {
	return f == errUnknownConversation || f == errTypingRate || f == errReconnect
}

// judgeTyping tells whether the workspace has the conversation, by its row: by an
// earlier answer, or by asking. The log proves nothing, because a message may name
// another workspace's conversation.
func (s *Server) judgeTyping(workspace, conversation string) *fault {
	j := s.typings
	id := conversationOf{workspace, conversation}
	if j.conversations == nil || j.knows(id, time.Now()) {
		return nil
	}
	f := j.ask(s.hub.Context(), id)
	if f != nil {
		s.logged.do(f.Code, func() {
			s.log.Info("dropped a client's typing notice; more of the same are only counted", "code", f.Code, "reason", f.Message, "workspace", workspace)
		})
	}
	return f
}

func (j *typingJudge) knows(id conversationOf, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return now.Before(j.known[id])
}

// ask asks whether there is a conversation, one question at a time, so that clients
// do not keep the connections to the database from others.
func (j *typingJudge) ask(ctx context.Context, id conversationOf) *fault {
	if !j.mayAsk(id.workspace, time.Now()) {
		return errTypingRate
	}
	ctx, cancel := context.WithTimeout(ctx, conversationTimeout)
	defer cancel()
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return nil // no answer
	}
	switch has, err := j.conversations.Has(ctx, id.workspace, id.conversation); {
	case err != nil:
		return nil
	case !has:
		return errUnknownConversation
	}
	j.remember(id, time.Now())
	return nil
}

// mayAsk takes one of the questions that a workspace's clients may ask.
func (j *typingJudge) mayAsk(workspace string, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	q := j.asked[workspace]
	if q == nil {
		if len(j.asked) >= maxKnown {
			j.forgetAsked(now)
		}
		q = rate.NewLimiter(questionsPerSecond, questionsAtOnce)
		j.asked[workspace] = q
	}
	return q.AllowN(now, 1)
}

// forgetAsked forgets the workspaces that may ask as often as new ones.
func (j *typingJudge) forgetAsked(now time.Time) {
	for workspace, q := range j.asked {
		if q.TokensAt(now) >= questionsAtOnce {
			delete(j.asked, workspace)
		}
	}
}

// remember keeps an answer. Where there are too many, what is out of date goes, and
// as much of the rest, whichever the map gives first, as makes room: it costs a
// question.
func (j *typingJudge) remember(id conversationOf, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.known) >= maxKnown {
		for known, until := range j.known {
			if !now.Before(until) {
				delete(j.known, known)
			}
		}
		for known := range j.known {
			if len(j.known) < maxKnown*9/10 {
				break
			}
			delete(j.known, known)
		}
	}
	j.known[id] = now.Add(knownFor)
}
