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

// Conversations tells which conversations there are. The Server calls Has from many
// goroutines, one at a time.
type Conversations interface {
	// Has reports whether the workspace has the conversation. An error means that
	// there is no answer.
	Has(ctx context.Context, workspace, conversation string) (bool, error)
}

const (
	// conversationTimeout bounds one question, including the wait for its turn.
	conversationTimeout = time.Second
	// knownFor is how long it counts that a conversation was found.
	knownFor = 10 * time.Minute
	// maxKnown bounds the conversations that are remembered. From as many workspaces on,
	// those that have not asked for a while are forgotten.
	maxKnown = 20_000
	// questionsPerSecond and questionsAtOnce bound the questions for the clients of one
	// workspace: rate and burst.
	questionsPerSecond = 10
	questionsAtOnce    = 100
)

// typingJudge decides for which conversations typing notices pass.
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
// as ChatEngine does. Where the database gives no answer the notice passes: it never
// leaves the workspace.
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

// Typing sends a typing notice, as JSON, to the clients of a workspace that are connected to
// this bridge. Safe for concurrent use.
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

// judgeTyping returns a fault unless the workspace has the conversation, by an earlier
// answer or by asking for the conversation's row. A message in the log would prove nothing,
// because it may name another workspace's conversation.
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

// ask asks whether there is a conversation, one question at a time, so that typing notices
// do not use up the connections to the database.
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

// mayAsk counts a question for a workspace, and reports whether its rate allows it.
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

// forgetAsked forgets the workspaces whose whole burst is available again.
func (j *typingJudge) forgetAsked(now time.Time) {
	for workspace, q := range j.asked {
		if q.TokensAt(now) >= questionsAtOnce {
			delete(j.asked, workspace)
		}
	}
}

// remember keeps the answer that there is a conversation. At maxKnown it drops expired
// answers, and of the rest as many as it takes to have a tenth free: each dropped one costs
// a question at most.
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
