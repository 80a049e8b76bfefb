package auth_test

import (
	"net/http"
	"testing"
	"time"

	"chatbridge/bridge/auth"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// Every kind of token that is good, side by side in one Authenticator.
func TestGoodTokens(t *testing.T) {
	t.Parallel()
	p := newProject(t, "rsa", "ec", "ed")
	a := newAuth(t, auth.Options{
		ChatEngineSecrets: []string{"older", chatSecret}, SupabaseSecrets: []string{projectSecret}, JWKSURL: p.URL,
		SupabaseAudiences: []string{"authenticated"}, Members: &members{}, MembersTTL: time.Minute, Leeway: 30 * time.Second,
	})
	hour := start.Add(time.Hour)
	chat := auth.Principal{Workspace: acme, User: "u1", Expires: hour, Kind: auth.ChatEngine}
	session := auth.Principal{Workspace: acme, User: alice, Expires: hour, Kind: auth.Supabase}
	for name, tt := range map[string]struct {
		token string
		want  auth.Principal
	}{
		"workspace_id":  {hs256(t, chatSecret, chatClaims()), chat},
		"older secret":  {hs256(t, "older", chatClaims()), chat},
		"workspaceId":   {hs256(t, chatSecret, chatClaims().with(c{"workspace_id": nil, "workspaceId": acme})), chat},
		"workspace":     {hs256(t, chatSecret, chatClaims().with(c{"workspace_id": "", "workspace": acme})), chat},
		"first counts":  {hs256(t, chatSecret, chatClaims().with(c{"workspaceId": other, "workspace": other})), chat},
		"user_id":       {hs256(t, chatSecret, chatClaims().with(c{"sub": nil, "user_id": "u1", "userId": "u2"})), chat},
		"userId":        {hs256(t, chatSecret, chatClaims().with(c{"sub": "", "userId": "u1"})), chat},
		"no user":       {hs256(t, chatSecret, chatClaims().with(c{"sub": nil})), auth.Principal{Workspace: acme, Expires: hour, Kind: auth.ChatEngine}},
		"no expiry":     {hs256(t, chatSecret, chatClaims().with(c{"exp": nil})), auth.Principal{Workspace: acme, User: "u1", Kind: auth.ChatEngine}},
		"leeway, exp":   {hs256(t, chatSecret, chatClaims().with(c{"exp": start.Add(-29 * time.Second).Unix()})), auth.Principal{Workspace: acme, User: "u1", Expires: start.Add(-29 * time.Second), Kind: auth.ChatEngine}},
		"iat is later":  {hs256(t, chatSecret, chatClaims().with(c{"iat": start.Add(24 * time.Hour).Unix()})), chat},
		"user a number": {hs256(t, chatSecret, chatClaims().with(c{"sub": 7})), auth.Principal{Workspace: acme, User: "7", Expires: hour, Kind: auth.ChatEngine}},
		"sub is 0":      {hs256(t, chatSecret, chatClaims().with(c{"sub": 0, "user_id": 8})), auth.Principal{Workspace: acme, User: "8", Expires: hour, Kind: auth.ChatEngine}},
		"large numbers": {
			hs256(t, chatSecret, chatClaims().with(c{"sub": int64(12345678901234567), "workspace_id": int64(9007199254740993)})),
			auth.Principal{Workspace: "9007199254740993", User: "12345678901234567", Expires: hour, Kind: auth.ChatEngine},
		},
		"session, iat is later": {hs256(t, projectSecret, sessionClaims().with(c{"iat": start.Add(24 * time.Hour).Unix()})), session},
		"leeway, iat":           {hs256(t, chatSecret, chatClaims().with(c{"iat": start.Add(29 * time.Second).Unix(), "nbf": start.Add(29 * time.Second).Unix()})), chat},
		"kid is no key":         {sign(t, jwt.SigningMethodHS256, []byte(chatSecret), chatClaims(), c{"kid": "../../etc/passwd"}), chat},
		"session HS256":         {hs256(t, projectSecret, sessionClaims()), session},
		"session RS256":         {sign(t, jwt.SigningMethodRS256, keys()["rsa"], sessionClaims(), c{"kid": "rsa"}), session},
		"session ES256":         {sign(t, jwt.SigningMethodES256, keys()["ec"], sessionClaims(), c{"kid": "ec"}), session},
		"session EdDSA":         {sign(t, jwt.SigningMethodEdDSA, keys()["ed"], sessionClaims(), c{"kid": "ed"}), session},
		"no kid":                {sign(t, jwt.SigningMethodES256, keys()["ec"], sessionClaims(), nil), session},
		"aud is a list":         {hs256(t, projectSecret, sessionClaims().with(c{"aud": []string{"x", "authenticated"}})), session},
	} {
		got, err := authenticate(t, a, tt.token, acme)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got.Expires = got.Expires.UTC()
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A workspace that the client names is no way out of the token's.
func TestChatEngineTokenIgnoresNamedWorkspace(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{ChatEngineSecrets: []string{chatSecret}})
	got, err := authenticate(t, a, hs256(t, chatSecret, chatClaims()), other)
	if err != nil || got.Workspace != acme {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A project that adds a workspace to its tokens: it counts where the client names
// none, and the user must be a member of it.
func TestSessionWithAWorkspaceOfItsOwn(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{SupabaseSecrets: []string{projectSecret}, Members: &members{}})
	for name, tt := range map[string]struct {
		claims      c
		named, code string
	}{
		"a member":                {c{"workspace_id": acme}, "", ""},
		"by another name":         {c{"workspaceId": acme}, "", ""},
		"no member":               {c{"workspace_id": other}, "", auth.CodeNotMember},
		"the client's is first":   {c{"workspace_id": other}, acme, ""},
		"the client's is no way":  {c{"workspace_id": acme}, other, auth.CodeNotMember},
		"metadata is no claim":    {c{"user_metadata": c{"workspace_id": acme}}, "", auth.CodeWorkspaceMissing},
		"a number, of no one's":   {c{"workspace_id": 7}, "", auth.CodeNotMember},
		"neither text nor number": {c{"workspace_id": true}, "", auth.CodeWorkspaceMissing},
	} {
		got, err := authenticate(t, a, hs256(t, projectSecret, sessionClaims().with(tt.claims)), tt.named)
		if code(t, err) != tt.code || err == nil && (got.Workspace != acme || got.Kind != auth.Supabase) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// ChatEngine may sign with the project's own secret. What tells the kinds
// apart then is the workspace claim, and the project's other tokens get
// nowhere.
func TestOneSecretForBoth(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{
		ChatEngineSecrets: []string{projectSecret}, SupabaseSecrets: []string{projectSecret},
		SupabaseAudiences: []string{"authenticated"}, Members: &members{},
	})
	for name, tt := range map[string]struct {
		claims          c
		workspace, code string
		kind            auth.Kind
	}{
		"chatengine":            {chatClaims(), "", "", auth.ChatEngine},
		"session":               {sessionClaims(), acme, "", auth.Supabase},
		"session, not a member": {sessionClaims(), other, auth.CodeNotMember, 0},
		"session, metadata is no claim": {
			sessionClaims().with(c{"user_metadata": c{"workspace_id": other}, "app_metadata": c{"workspace_id": other}}), acme, "", auth.Supabase,
		},
		"anon key":    {c{"iss": "supabase", "role": "anon", "exp": start.Add(time.Hour).Unix()}, acme, auth.CodeTokenAudience, 0},
		"service key": {c{"iss": "supabase", "role": "service_role", "exp": start.Add(time.Hour).Unix()}, acme, auth.CodeTokenAudience, 0},
	} {
		got, err := authenticate(t, a, hs256(t, projectSecret, tt.claims), tt.workspace)
		if code(t, err) != tt.code || got.Kind != tt.kind {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestSetSecrets(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{ChatEngineSecrets: []string{"old"}})
	before, after := hs256(t, "old", chatClaims()), hs256(t, "new", chatClaims())
	steps := []struct {
		secrets  []string
		old, new string
	}{
		{[]string{"old"}, "", auth.CodeTokenSignature},
		{[]string{"new", "old"}, "", ""},
		{[]string{"new"}, auth.CodeTokenSignature, ""},
	}
	for i, s := range steps {
		if err := a.SetSecrets(s.secrets, nil); err != nil {
			t.Fatal(err)
		}
		_, err1 := authenticate(t, a, before, "")
		_, err2 := authenticate(t, a, after, "")
		if code(t, err1) != s.old || code(t, err2) != s.new {
			t.Errorf("step %d: %v; %v", i, err1, err2)
		}
	}
	if err := a.SetSecrets(nil, nil); err == nil {
		t.Error("all secrets could be taken away")
	}
	if _, err := authenticate(t, a, after, ""); err != nil {
		t.Errorf("the secrets before are gone: %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]auth.Options{
		"nothing":        {},
		"empty secret":   {ChatEngineSecrets: []string{""}},
		"public key":     {ChatEngineSecrets: []string{"-----BEGIN PUBLIC KEY-----\nMF…"}},
		"twice":          {ChatEngineSecrets: []string{"a", "a"}},
		"no members":     {SupabaseSecrets: []string{"a"}},
		"no members 2":   {JWKSURL: "https://ref.supabase.co/keys"},
		"keys elsewhere": {JWKSURL: "file:///etc/keys", Members: &members{}},
		"leeway":         {ChatEngineSecrets: []string{"a"}, Leeway: -1},
	} {
		if _, err := auth.New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestSign(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{ChatEngineSecrets: []string{chatSecret}, Issuers: []string{"iss"}, Audiences: []string{"aud"}})
	token, err := auth.Sign(chatSecret, acme, "u1", "iss", "aud", start, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := authenticate(t, a, token, "")
	if err != nil || got.Workspace != acme || got.User != "u1" || !got.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("got %+v, %v", got, err)
	}
	forever, err := auth.Sign(chatSecret, acme, "", "iss", "aud", start, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := authenticate(t, a, forever, ""); err != nil || !got.Expires.IsZero() || got.User != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := auth.Sign("", acme, "", "", "", start, 0); err == nil {
		t.Error("signed without a secret")
	}
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Bearer a.b.c": "a.b.c", "bearer a.b.c": "a.b.c", "Bearer  a.b.c ": "a.b.c",
		"": "", "a.b.c": "", "Basic a.b.c": "", "Bearer": "", "Bearer ": "",
	} {
		if got := auth.Bearer(http.Header{"Authorization": {header}}); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	a, err := auth.New(auth.Options{ChatEngineSecrets: []string{"other", chatSecret}, Now: newClock().now})
	if err != nil {
		b.Fatal(err)
	}
	token, err := auth.Sign(chatSecret, acme, "u1", "", "", start, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), auth.Credentials{Token: token}); err != nil {
			b.Fatal(err)
		}
	}
}
