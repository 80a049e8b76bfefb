package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/internal/httpclient"
)

// Authenticator verifies tokens. Its methods are safe for concurrent use.
type Authenticator struct {
	opts    Options
	secrets atomic.Pointer[secretSet]
	keys    *keySet // nil without JWKSURL
	members *memberCache
	counts  counts
}

// New returns an Authenticator, or what is wrong with the options. It reads
// nothing yet.
func New(o Options) (*Authenticator, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("configure authentication: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Client = httpclient.Of(o.Client)
	a := &Authenticator{opts: o}
	a.secrets.Store(newSecretSet(o.ChatEngineSecrets, o.SupabaseSecrets))
	if o.JWKSURL != "" {
		a.keys = newKeySet(o.JWKSURL, o.Client, o.Now, o.Logger)
	}
	if o.Members != nil {
		a.members = newMemberCache(o.Members, o.MembersTTL, o.Now, o.Logger)
	}
	return a, nil
}

// Run reads the published keys every ten minutes, sooner after a failure, until ctx
// ends; it then returns nil. Without Run, keys are read when a token needs one. Call it
// once.
func (a *Authenticator) Run(ctx context.Context) error {
	if a.keys == nil {
		<-ctx.Done()
		return nil
	}
	a.keys.run(ctx)
	return nil
}

// SetSecrets replaces the secrets while the Authenticator is in use. Connected
// sockets stay connected. On an error the old secrets stay.
func (a *Authenticator) SetSecrets(chatEngine, supabase []string) error {
	o := a.opts
	o.ChatEngineSecrets, o.SupabaseSecrets = chatEngine, supabase
	if err := o.Validate(); err != nil {
		return fmt.Errorf("replace secrets: %w", err)
	}
	a.secrets.Store(newSecretSet(chatEngine, supabase))
	return nil
}

// Authenticate verifies what a client presents. The error is a *Refusal, which is final,
// or wraps ErrUnavailable, after which a later attempt may succeed; that is also the error
// when ctx ends before a look-up does.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (Principal, error) {
	p, err := a.authenticate(ctx, c)
	a.counts.add(p, err)
	return p, err
}

func (a *Authenticator) authenticate(ctx context.Context, c Credentials) (Principal, error) {
	t, err := parseToken(c.Token)
	if err != nil {
		return Principal{}, err
	}
	kind, err := a.verify(ctx, t)
	if err != nil {
		return Principal{}, err
	}
	if kind == ChatEngine {
		return a.chatEngine(t.claims)
	}
	return a.session(ctx, t.claims, c)
}

// verify finds the key that made the signature, and returns the kind of token that the
// key signs.
func (a *Authenticator) verify(ctx context.Context, t *token) (Kind, error) {
	if t.method.Alg() == "HS256" {
		return a.secrets.Load().verify(t)
	}
	if a.keys == nil {
		return 0, refuse(CodeTokenAlgorithm, "tokens signed with a public key's algorithm are not accepted here")
	}
	return Supabase, a.keys.verify(ctx, t)
}

// chatEngine reads the claims of a ChatEngine token. The workspace that the
// client names is ignored: the token names it.
func (a *Authenticator) chatEngine(c claims) (Principal, error) {
	expires, err := c.check(expected{issuers: a.opts.Issuers, audiences: a.opts.Audiences, now: a.opts.Now(), leeway: a.opts.Leeway})
	if err != nil {
		return Principal{}, err
	}
	workspace, ok := c.firstID(workspaceClaims...)
	switch {
	case !ok:
		return Principal{}, refuse(CodeTokenClaims, "the token's workspace is neither a text nor a number")
	case workspace == "":
		return Principal{}, refuse(CodeWorkspaceMissing, "the token names no workspace: it needs a claim workspace_id")
	case !validID(workspace):
		return Principal{}, refuse(CodeWorkspaceInvalid, "the token's workspace is not an id")
	}
	user, ok := c.firstID("sub", "user_id", "userId")
	if !ok || user != "" && !validID(user) {
		return Principal{}, refuse(CodeTokenClaims, "the token's user is not an id")
	}
	return Principal{Workspace: workspace, User: user, Expires: expires, Kind: ChatEngine}, nil
}

// session reads the claims of a Supabase session token and asks whether its
// user belongs to the workspace that the client names.
func (a *Authenticator) session(ctx context.Context, c claims, shown Credentials) (Principal, error) {
	expires, err := c.check(expected{issuers: a.opts.SupabaseIssuers, audiences: a.opts.SupabaseAudiences, now: a.opts.Now(), leeway: a.opts.Leeway, mustExpire: true})
	if err != nil {
		return Principal{}, err
	}
	// The project's API keys are JWTs signed with the same secret, but name no user.
	if role := c["role"]; role == "anon" || role == "service_role" {
		return Principal{}, refuse(CodeTokenRole, "the token is a key of the project, not a user's session")
	}
	user, ok := c.firstID("sub")
	workspace := shown.Workspace
	if workspace == "" {
		// A project can add a workspace to its tokens. Membership is checked all the same.
		workspace, _ = c.firstID(workspaceClaims...)
	}
	switch {
	case !ok || !validID(user):
		return Principal{}, refuse(CodeTokenClaims, "the token's sub is not a user's id")
	case workspace == "":
		return Principal{}, refuse(CodeWorkspaceMissing, "no workspace: a session token needs auth: {token, workspaceId}")
	case !validID(workspace):
		return Principal{}, refuse(CodeWorkspaceInvalid, "workspaceId is not an id")
	}
	workspace, err = a.members.find(ctx, user, workspace, shown.Address)
	switch {
	case err != nil:
		return Principal{}, fmt.Errorf("%w: look up membership: %w", ErrUnavailable, err)
	case workspace == "":
		return Principal{}, refuse(CodeNotMember, "the user is not a member of the workspace")
	}
	return Principal{Workspace: workspace, User: user, Expires: expires, Kind: Supabase}, nil
}

// DropMembers drops the cached answers about these memberships, because they have
// changed; nil drops all answers. Without Options.Members it does nothing.
func (a *Authenticator) DropMembers(of []Membership) {
	if a.members != nil {
		a.members.drop(of)
	}
}

// FormerMembers asks again, in batches, and returns those of the memberships that no
// longer exist, after dropping the cached answers about them. On an error nothing is
// known about any of them. Options.Members must be set.
func (a *Authenticator) FormerMembers(ctx context.Context, of []Membership) ([]Membership, error) {
	former, err := a.members.former(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("look up memberships: %w", err)
	}
	return former, nil
}
