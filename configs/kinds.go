package configs

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatbridge/internal/nearest"
)

// kind is the type of a setting: what is accepted, how a raw value is stored
// in the Config and how the stored value is printed, secrets masked. A raw
// value is a string or, from a YAML sequence or a secret's file, a []string.
type kind struct {
	name    string // for the flags' help, such as duration
	accepts string
	// words are all values that are accepted, where these are a few.
	words  []string
	secret bool
	set    func(raw any) error
	show   func() string
	value  func() any // as it is stored, secrets too
}

// scalar makes a kind of a parser of one text.
func scalar[T any](p *T, name, accepts string, parse func(string) (T, error), show func(T) string) kind {
	return kind{
		name:    name,
		accepts: accepts,
		set: func(raw any) error {
			s, ok := raw.(string)
			if !ok {
				return errors.New("is a list where one value belongs")
			}
			v, err := parse(s)
			if err != nil {
				return err
			}
			*p = v
			return nil
		},
		show:  func() string { return show(*p) },
		value: func() any { return *p },
	}
}

func text(p *string, accepts string, checks ...func(string) error) kind {
	parse := func(s string) (string, error) {
		for _, check := range checks {
			if err := check(s); err != nil {
				return "", err
			}
		}
		return s, nil
	}
	return scalar(p, "string", accepts, parse, func(s string) string { return s })
}

func choice(p *string, words ...string) kind {
	parse := func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		if near := nearest.Of(s, words); near != "" {
			return "", fmt.Errorf("is none of the choices; did you mean %q?", near)
		}
		return "", errors.New("is none of the choices")
	}
	k := scalar(p, "choice", strings.Join(words, ", "), parse, func(s string) string { return s })
	k.words = words
	return k
}

func duration(p *time.Duration, least, most time.Duration) kind {
	accepts := fmt.Sprintf("a duration with its unit, such as 500ms, 60s or 5m, from %s to %s", least, most)
	parse := func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			if _, e := strconv.ParseFloat(s, 64); e == nil && s != "" {
				return 0, errors.New("lacks its unit")
			}
			return 0, errors.New("is not a duration")
		}
		if d < least || d > most {
			return 0, errors.New("is out of range")
		}
		return d, nil
	}
	return scalar(p, "duration", accepts, parse, shortDuration)
}

// shortDuration formats 1m0s as 1m.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func size(p *Size, least, most Size) kind {
	accepts := fmt.Sprintf("a number of bytes, such as 1000000, 1MB or 1GiB, from %s to %s", least, most)
	parse := func(s string) (Size, error) {
		v, err := ParseSize(s)
		if err != nil {
			return 0, fmt.Errorf("is %w", err)
		}
		if v < least || v > most {
			return 0, errors.New("is out of range")
		}
		return v, nil
	}
	return scalar(p, "size", accepts, parse, Size.String)
}

// limit is a number of which 0 means no limit.
func limit(p *int, most int) kind {
	k := integer(p, 0, most)
	k.accepts += ", 0 for no limit"
	return k
}

func integer(p *int, least, most int) kind {
	accepts := fmt.Sprintf("a whole number from %d to %d", least, most)
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, errors.New("is not a whole number")
		}
		if n < least || n > most {
			return 0, errors.New("is out of range")
		}
		return n, nil
	}
	return scalar(p, "number", accepts, parse, strconv.Itoa)
}

func boolean(p *bool) kind {
	parse := func(s string) (bool, error) {
		switch strings.ToLower(s) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return false, errors.New("is neither true nor false")
	}
	k := scalar(p, "true|false", "true or false", parse, strconv.FormatBool)
	k.words = []string{"true", "false"}
	return k
}

func level(p *slog.Level) kind {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn, "error": slog.LevelError}
	parse := func(s string) (slog.Level, error) {
		l, known := levels[strings.ToLower(s)]
		if !known {
			return 0, errors.New("is not a level")
		}
		return l, nil
	}
	k := scalar(p, "level", "debug, info, warn, error", parse, func(l slog.Level) string {
		return strings.ToLower(l.String())
	})
	k.words = []string{"debug", "info", "warn", "error"}
	return k
}

func secret(p *Secret, accepts string) kind {
	k := scalar(p, "secret", accepts, func(s string) (Secret, error) {
		if strings.ContainsAny(s, "\r\n") {
			return "", errors.New("has a line break in it")
		}
		return Secret(s), nil
	}, Secret.String)
	k.secret = true
	return k
}

// headerSecret is a secret that browsers and other clients send in a header as it is.
func headerSecret(p *Secret, accepts string) kind {
	k := scalar(p, "secret", accepts, func(s string) (Secret, error) {
		other := func(r rune) bool { return r < ' ' || r > '~' }
		switch {
		case strings.ContainsFunc(s, other):
			return "", errors.New("has a character that cannot be sent in a header as it is: a control character, or one beyond ASCII")
		case strings.Trim(s, " ") != s:
			return "", errors.New("begins or ends with a space, which a header does not keep")
		}
		return Secret(s), nil
	}, Secret.String)
	k.secret = true
	return k
}

func dsn(p *DSN) kind {
	k := scalar(p, "dsn", acceptedDSN, parseDSN, DSN.String)
	k.secret = true
	return k
}

// list makes a kind of a parser of one item. One text is split at its commas,
// a []string is taken as it is.
func list[T any](p *[]T, name, accepts string, parse func(string) (T, error), show func(T) string) kind {
	return kind{
		name:    name,
		accepts: accepts,
		set: func(raw any) error {
			items, ok := raw.([]string)
			if !ok {
				items = splitCommas(raw.(string))
			}
			var out []T
			for _, item := range items {
				v, err := parse(item)
				if err != nil {
					return err
				}
				out = append(out, v)
			}
			*p = out
			return nil
		},
		show: func() string {
			var texts []string
			for _, v := range *p {
				texts = append(texts, show(v))
			}
			return strings.Join(texts, ",")
		},
		value: func() any { return *p },
	}
}

func splitCommas(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func texts(p *[]string, accepts string, check func(string) error) kind {
	parse := func(s string) (string, error) {
		if err := check(s); err != nil {
			return "", fmt.Errorf("has %s, which %w", quote(s), err)
		}
		return s, nil
	}
	return list(p, "list", accepts, parse, func(s string) string { return s })
}

func secrets(p *[]Secret, accepts string) kind {
	k := list(p, "secrets", accepts, func(s string) (Secret, error) { return Secret(s), nil }, Secret.String)
	k.secret = true
	return k
}

func prefixes(p *[]netip.Prefix) kind {
	const accepts = "a list of addresses and networks, such as 10.0.0.0/8, 192.0.2.7, 2001:db8::/32"
	parse := func(s string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		n, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("has %s, which is neither an address nor a network", quote(s))
		}
		if n.Masked() != n {
			return netip.Prefix{}, fmt.Errorf("has %s, which has bits set outside the network: %s was meant?", quote(s), n.Masked())
		}
		return n, nil
	}
	return list(p, "networks", accepts, parse, netip.Prefix.String)
}
