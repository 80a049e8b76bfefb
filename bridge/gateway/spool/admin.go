package spool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// AdminPath is where the admin listener serves [Spool.Admin].
const AdminPath = "/spool"

// Admin takes an [Order] as JSON by POST, and answers its [Answer]. Even a list is
// asked for by POST: the admin listener lets nobody change or see anything by that
// without a token, where others than this machine reach it. Requests that a web page
// of another origin makes a browser send are refused.
func (s *Spool) Admin() http.Handler {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", "POST")
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		}
		var o Order
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := s.Do(o)
		switch {
		case errors.Is(err, ErrUnknown), errors.Is(err, errOrder):
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(a) // the client has left
	})
	return http.NewCrossOriginProtection().Handler(handler)
}

// ErrNoSpool: the daemon runs without one.
var ErrNoSpool = errors.New("the running bridge has no spool: set gateway.upstream and spool.dir, and restart it")

// Ask has the daemon whose admin listener is at base, such as http://127.0.0.1:9090,
// carry out an order.
func Ask(ctx context.Context, client *http.Client, base string, o Order) (Answer, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(base, "/")+AdminPath, bytes.NewReader(text))
	if err != nil {
		return Answer{}, fmt.Errorf("ask the spool: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("ask the spool: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return Answer{}, fmt.Errorf("%s: %w", base, ErrNoSpool)
	default:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12)) // what came of it
		return Answer{}, fmt.Errorf("%s (the bridge at %s answered %s)", bytes.TrimSpace(text), base, resp.Status)
	}
	var a Answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("read the spool's answer: %w", err)
	}
	return a, nil
}
