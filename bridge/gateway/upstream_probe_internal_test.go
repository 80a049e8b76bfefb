package gateway

import "testing"

func TestCheckEngineAnswer(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		ok     bool
	}{
		{400, `{"code":1,"message":"Session ID unknown"}`, true},
		{400, `{"code":0,"message":"Transport unknown"}`, true},
		{200, `<!doctype html>`, false},
		{404, `{"message":"no such route"}`, false},
		{502, `{"code":1,"message":"upstream"}`, false},
		{400, ``, false},
	} {
		if err := checkEngineAnswer(c.status, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}
