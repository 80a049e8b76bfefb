package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"
)

// stepTimeout bounds one request to another program.
const stepTimeout = 10 * time.Second

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 64 << 10

// Finding is the result of one inspection.
type Finding = provision.Finding

// Run inspects everything that the configuration names, in the order in which an
// operator would fix it. When ctx ends, it returns the findings so far.
func Run(ctx context.Context, cfg *configs.Config) []Finding {
	r := &run{cfg: cfg, client: &http.Client{CheckRedirect: noRedirects}}
	defer r.client.CloseIdleConnections()
	r.configuration()
	steps := []func(context.Context){r.mapping, r.postgres, r.lookups, r.realtime, r.tokens, r.members, r.listeners, r.certificate, r.stateFile, r.gateway, r.redis}
	for _, step := range steps {
		if ctx.Err() != nil {
			break
		}
		step(ctx)
	}
	return r.findings
}

// Configuration returns the findings for an error of configs.Load, one for any
// other error.
func Configuration(err error) []Finding {
	var config *configs.Error
	if !errors.As(err, &config) {
		return []Finding{{ID: "config.invalid", Level: provision.Fail, What: err.Error(), Meaning: "the bridge does not start"}}
	}
	var out []Finding
	for _, p := range config.Problems {
		what := p.Reason
		if p.Value != "" {
			what = fmt.Sprintf("%q %s", p.Value, p.Reason)
		}
		if p.Origin != "" {
			what += " (" + p.Origin + ")"
		}
		f := Finding{ID: "config.invalid", Object: p.Key, Level: provision.Fail, What: what, Meaning: "the bridge does not start"}
		if p.Accepted != "" {
			f.Fix = "set it to " + p.Accepted
		}
		out = append(out, f)
	}
	return out
}

// Worst returns the worst level of the findings, OK for none.
func Worst(findings []Finding) provision.Level {
	worst := provision.OK
	for _, f := range findings {
		worst = max(worst, f.Level)
	}
	return worst
}

// run is one Run.
type run struct {
	cfg      *configs.Config
	client   *http.Client
	spec     *mapping.Spec // nil where the mapping is wrong
	findings []Finding
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (r *run) add(f ...Finding) { r.findings = append(r.findings, f...) }

func (r *run) ok(id, object, format string, args ...any) {
	r.add(Finding{ID: id, Object: object, Level: provision.OK, What: fmt.Sprintf(format, args...)})
}

func (r *run) warn(id, object, what, meaning, fix string) {
	r.add(Finding{ID: id, Object: object, Level: provision.Warn, What: what, Meaning: meaning, Fix: fix})
}

func (r *run) fail(id, object, what, meaning, fix string) {
	r.add(Finding{ID: id, Object: object, Level: provision.Fail, What: what, Meaning: meaning, Fix: fix})
}

// configuration is valid, or Run would not have been called.
func (r *run) configuration() {
	set := 0
	for _, s := range r.cfg.Redacted() {
		if r.cfg.Origin(s.Key).Layer != configs.FromDefault {
			set++
		}
	}
	r.ok("config.valid", "", "the configuration is valid, with %d settings besides the defaults", set)
	for _, w := range r.cfg.Warnings() {
		r.warn("config.unwise", "", w, "", "")
	}
	if len(r.cfg.CORS.Origins) == 0 {
		r.warn("config.origins", "cors.origins", "no origin is admitted", "browsers cannot connect, programs can",
			"cors.origins: [https://app.example.com], the address of the CRM's pages")
	}
}

// mapping loads the mapping. postgres and realtime compare it with the tables.
func (r *run) mapping(context.Context) {
	spec, err := mapping.Load(r.cfg.Mapping.Preset, r.cfg.Mapping.File)
	var wrong *mapping.Error
	switch {
	case errors.As(err, &wrong):
		for _, p := range wrong.Problems {
			r.fail("mapping.invalid", "mapping.file", p.String(), "the bridge does not start", "correct this line; docs/mapping.md has the language")
		}
	case err != nil:
		r.fail("mapping.invalid", "mapping.file", err.Error(), "the bridge does not start", "mapping.file: a file that the bridge may read, or nothing")
	default:
		r.spec = spec
		r.ok("mapping.valid", "", "the mapping is valid: preset %s%s", r.cfg.Mapping.Preset, with(r.cfg.Mapping.File))
	}
}

func with(file string) string {
	if file == "" {
		return ""
	}
	return " with " + file
}
