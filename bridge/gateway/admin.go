package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// AdminPath is where the admin listener serves [Gateway.Admin].
const AdminPath = "/gateway"

// Admin is the override for the admin listener: GET answers the [Status] as
// JSON, POST {"mode":"hold-local"} applies a mode and answers the new one.
// Requests that a web page of another origin makes a browser send are refused.
func (g *Gateway) Admin() http.Handler {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
		case http.MethodPost:
			var order struct {
				Mode Mode `json:"mode"`
			}
			body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024))
			err := body.Decode(&order)
			if err == nil {
				err = g.Hold(order.Mode)
			}
			if err == nil && g.opts.Ordered != nil {
				g.opts.Ordered(order.Mode)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(g.Status()) // the client has left
	})
	return http.NewCrossOriginProtection().Handler(handler)
}

// Ask fetches the status from the admin listener at base, such as
// http://127.0.0.1:9090, after applying mode where it is not empty.
func Ask(ctx context.Context, client *http.Client, base string, mode Mode) (Status, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if mode != "" {
		order, err := json.Marshal(map[string]Mode{"mode": mode})
		if err != nil {
			return Status{}, err
		}
		method, body = http.MethodPost, bytes.NewReader(order)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(base, "/")+AdminPath, body)
	if err != nil {
		return Status{}, fmt.Errorf("ask the gateway: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return Status{}, fmt.Errorf("ask the gateway: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return Status{}, fmt.Errorf("read the gateway's answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return Status{}, fmt.Errorf("the bridge at %s runs without a gateway: set gateway.upstream", base)
	default:
		return Status{}, fmt.Errorf("the bridge at %s answered %s: %s", base, resp.Status, bytes.TrimSpace(answer))
	}
	var s Status
	if err := json.Unmarshal(answer, &s); err != nil {
		return Status{}, fmt.Errorf("read the gateway's answer: %w", err)
	}
	return s, nil
}
