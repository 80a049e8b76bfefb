package realtimedouble

import (
	"net/http"
	"strings"
	"time"
)

// minted is the token that the project's gateway puts in the place of one of its keys;
// any other stays as it is.
func (s *Server) minted(key string) string {
	role := ""
	switch {
	case key == "":
	case key == s.opts.SecretKey:
		role = "service_role"
	case key == s.opts.PublishableKey:
		role = "anon"
	}
	if role == "" {
		return key
	}
	ttl := s.opts.GatewayTTL
	if ttl <= 0 {
		ttl = 24 * time.Hour
	}
	// The time of issue makes each token another.
	token := s.Token(map[string]any{"role": role, "exp": ttl, "iss": "gateway", "jti": time.Now().UnixNano()})
	s.script.mu.Lock()
	defer s.script.mu.Unlock()
	s.script.mintedTokens = append(s.script.mintedTokens, token)
	return token
}

// gateway has a request's key replaced before it comes to PostgREST. One of the new
// kind that is none of the project's it refuses.
func (s *Server) gateway(rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("apikey")
		if token := s.minted(key); token != key {
			r.Header.Set("Authorization", "Bearer "+token)
		} else if strings.HasPrefix(key, "sb_") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"message":"Invalid API key","hint":"Double check your Supabase API key."}`))
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// ExpireMinted has the tokens expire that the gateway has put in the place of keys so
// far.
func (s *Server) ExpireMinted() {
	s.script.mu.Lock()
	tokens := s.script.mintedTokens
	s.script.mintedTokens = nil
	s.script.mu.Unlock()
	for _, token := range tokens {
		s.Expire(token)
	}
}
