package realtimedouble_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// bodyOf is the body that a recorded frame shows.
func bodyOf(raw string) string {
	_, rest, _ := strings.Cut(raw, `"body": "`)
	body, _, _ := strings.Cut(rest, `"`)
	return body
}

var tokenMark = regexp.MustCompile(`<jwt ([^>]*)>`)

// withTokens puts tokens of the recorded claims into the text, their expiry
// moved by as much as the recording lies back.
func (r *replay) withTokens(s string, l line) string {
	special := ""
	switch {
	case l.Dir == "connect" && !r.pushes:
		special = l.Conn
	case strings.Contains(r.note, "join with access_token: "):
		special = strings.TrimPrefix(r.note, "join with access_token: ")
	case strings.Contains(l.Raw, `"access_token",`) || strings.Contains(l.Raw, `"event":"access_token"`):
		special = strings.TrimPrefix(r.note, "push access_token: ")
	}
	return tokenMark.ReplaceAllStringFunc(s, func(mark string) string {
		key := mark
		if special == "wrong signature" || special == "alg none" || special == "exp is a string" || special == "a fresh valid one" {
			key = special + l.Dir + mark
		}
		if strings.Contains(r.note, "k-roles") || strings.HasPrefix(l.Conn, "user-") {
			key = l.Conn + mark
		}
		if tok := r.tokens[key]; tok != "" {
			return tok
		}
		tok := r.mint(tokenMark.FindStringSubmatch(mark)[1], special, l)
		r.tokens[key] = tok
		return tok
	})
}

func (r *replay) mint(text, special string, l line) string {
	claims := jwt.MapClaims{}
	for _, kv := range strings.Fields(text) {
		k, v, _ := strings.Cut(kv, "=")
		if k != "exp" {
			claims[k] = v
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			r.t.Fatal(err)
		}
		then := r.start.Add(time.Duration(l.T * float64(time.Millisecond)))
		left := time.Unix(n, 0).Sub(then)
		if left > 0 && left < time.Minute {
			left += 8 * time.Second // what must come before it, on a loaded machine
		}
		exp := time.Now().Add(left).Unix()
		claims["exp"] = exp
		if special == "exp is a string" {
			claims["exp"] = strconv.FormatInt(exp, 10)
		}
	}
	if special == "a fresh valid one" {
		claims["jti"] = "fresh"
	}
	switch l.Conn {
	case "user-1":
		claims["sub"] = "55555555-5555-4555-8555-555555555555"
	case "user-2":
		claims["sub"] = "66666666-6666-4666-8666-666666666666"
	}
	method, key := jwt.SigningMethod(jwt.SigningMethodHS256), any(r.secret)
	switch special {
	case "wrong signature":
		key = []byte("another secret")
	case "alg none":
		method, key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
	}
	tok, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		r.t.Fatal(err)
	}
	return tok
}

// normal replaces what differs from run to run.
func (r *replay) normal(s string) string {
	s = commitTime.ReplaceAllString(s, `"commit_timestamp":"<commit>"`)
	s = nowTime.ReplaceAllString(s, `"<now>"`)
	return ago.ReplaceAllString(s, "expired <n> seconds ago")
}

// mapIDs gives the ids in got the recorded values that stand in want. The
// mapping must be the same, in both directions, each time.
func (r *replay) mapIDs(got, want string) string {
	wants := numbersIn(want)
	n := -1
	return rowID.ReplaceAllStringFunc(got, func(m string) string {
		return regexp.MustCompile(`\d+`).ReplaceAllStringFunc(m, func(id string) string {
			n++
			kind := "row"
			if !strings.Contains(m, `"id": `) {
				kind = "binding"
			}
			if n >= len(wants) {
				return id
			}
			w := wants[n]
			if have, ok := r.ids[kind+w]; ok && have != id {
				return fmt.Sprintf("<%s is %s, was %s>", w, id, have)
			}
			if have, ok := r.back[kind+id]; ok && have != w {
				return fmt.Sprintf("<%s stands for %s, stood for %s>", id, w, have)
			}
			r.ids[kind+w], r.back[kind+id] = id, w
			return w
		})
	})
}

func noIDs(s string) string { return rowID.ReplaceAllString(s, `"id": <id>`) }

func numbersIn(s string) []string {
	var out []string
	for _, m := range rowID.FindAllString(s, -1) {
		out = append(out, regexp.MustCompile(`\d+`).FindAllString(m, -1)...)
	}
	return out
}
