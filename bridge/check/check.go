package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"chatbridge/configs"
	"chatbridge/internal/httpclient"
	"chatbridge/internal/plural"
	"chatbridge/mapping"
	"chatbridge/source/postgres/dial"
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
	r := &run{cfg: cfg, client: httpclient.New(nil)}
	defer r.client.CloseIdleConnections()
	r.configuration()
	steps := []func(context.Context){r.mapping, r.postgres, r.lookups, r.realtime, r.tokens, r.members, r.listeners, r.certificate, r.stateFiles, r.spoolDir, r.gateway, r.send, r.redis, r.otel}
	for _, step := range steps {
		if ctx.Err() != nil {
			break
		}
		step(ctx)
	}
	return r.findings
}

// Offline inspects what needs no connection: what makes a reload fail, or keeps the bridge from
// starting.
func Offline(ctx context.Context, cfg *configs.Config) []Finding {
	r := &run{cfg: cfg}
	r.configuration()
	r.mapping(ctx)
	r.certificate(ctx)
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
		switch {
		case p.Key == "" && p.Origin != "":
			what = p.Origin + ": " + what
		case p.Origin != "":
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
	// nowhere: the database has none of the tables.
	nowhere bool
	// slotReader is the bridge that has the slot, zero for none that is known.
	slotReader dial.Bridge
	granted    map[string]string // the GRANTs that were printed, with the finding that did
}

func (r *run) add(f ...Finding) {
	for _, f := range f {
		f.Fix = r.once(f)
		r.findings = append(r.findings, f)
	}
}

// once removes from a remedy the GRANTs that an earlier finding has printed; if nothing is
// left, it names those findings.
func (r *run) once(f Finding) string {
	if !strings.HasPrefix(f.Fix, "GRANT ") {
		return f.Fix
	}
	var left []string
	var earlier []string
	for statement := range strings.SplitAfterSeq(f.Fix, ";") {
		statement = strings.TrimSpace(statement)
		by, printed := r.granted[statement]
		switch {
		case statement == "":
		case printed:
			if !slices.Contains(earlier, by) {
				earlier = append(earlier, by)
			}
		default:
			left = append(left, statement)
			if r.granted == nil {
				r.granted = map[string]string{}
			}
			r.granted[statement] = strings.TrimSpace(f.ID + " " + f.Object)
		}
	}
	if len(left) == 0 {
		return "-- the GRANT of " + strings.Join(earlier, ", of ") + ", above"
	}
	return strings.Join(left, " ")
}

func (r *run) ok(id, object, format string, args ...any) {
	r.add(Finding{ID: id, Object: object, Level: provision.OK, What: fmt.Sprintf(format, args...)})
}

func (r *run) warn(id, object, what, meaning, fix string) {
	r.add(Finding{ID: id, Object: object, Level: provision.Warn, What: what, Meaning: meaning, Fix: fix})
}

func (r *run) fail(id, object, what, meaning, fix string) {
	r.add(Finding{ID: id, Object: object, Level: provision.Fail, What: what, Meaning: meaning, Fix: fix})
}

// configuration reports that the configuration is valid: otherwise Run is not called.
func (r *run) configuration() {
	set := len(r.cfg.OtherThanDefault())
	r.ok("config.valid", "", "the configuration is valid: %s", plural.Of(set, "setting differs from its default", "settings differ from their defaults"))
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
