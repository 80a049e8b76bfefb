package provision

import "strings"

// Level is how bad a Finding is.
type Level uint8

// The levels of a Finding.
const (
	// OK: it is as it should be.
	OK Level = iota
	// Warn: the bridge works, but it should be changed.
	Warn
	// Fail: the bridge does not work, or harms the application.
	Fail
)

// String returns ok, warn or fail.
func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Warn:
		return "warn"
	}
	return "fail"
}

// MarshalText returns what String does.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is the result of one check.
type Finding struct {
	// ID names the kind of finding, such as table.identity. IDs are stable.
	ID string `json:"id"`
	// Object is what it is about, such as public.messages; may be empty.
	Object string `json:"object,omitempty"`
	Level  Level  `json:"level"`
	// What is what was found, in one sentence.
	What string `json:"what"`
	// Meaning is the consequence, empty for OK.
	Meaning string `json:"meaning,omitempty"`
	// Fix is the exact statement or setting that resolves it, empty for OK.
	Fix string `json:"fix,omitempty"`
}

// Report is what Inspect found. The fields beside Findings are for Plan.
type Report struct {
	Findings []Finding

	want    Want
	pub     publication
	members []member
	// columns are the real columns of the wanted tables that exist, by
	// schema.name.
	columns map[string][]column
	// publishable are the tables that can be in the publication without harm.
	publishable []Table
	// unpublished are those of them that are not in it.
	unpublished []Table
	// offerable are the tables that may be in the publication, and unoffered those
	// of them that are not.
	offerable, unoffered []Table
	// unindexed are the tables without an index for their newest rows.
	unindexed []Table
	// others are the tables by which the publication is somebody else's.
	others            []string
	publicationExists bool
	publicationOp     bool // insert and update are published
	viaRootNeeded     bool
	// mayCreate: our role may make a publication; mayReplicate: and a slot. foreign
	// are tables that are to be published and belong to another role.
	mayCreate, mayReplicate bool
	foreign                 []string
	slotExists              bool
	version                 int  // of the server
	recovery                bool // the server is a standby
	// slotLost: it exists, is ours, and cannot be read any more.
	slotLost bool
}

// Worst returns the worst level of all findings.
func (r *Report) Worst() Level {
	worst := OK
	for _, f := range r.Findings {
		worst = max(worst, f.Level)
	}
	return worst
}

// Failures returns the findings of level Fail.
func (r *Report) Failures() []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Level == Fail {
			out = append(out, f)
		}
	}
	return out
}

// Find returns the finding of that id and object; an empty object finds the
// first of the id.
func (r *Report) Find(id, object string) (Finding, bool) {
	for _, f := range r.Findings {
		if f.ID == id && (object == "" || f.Object == object) {
			return f, true
		}
	}
	return Finding{}, false
}

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

// willCreate reports whether a bridge that starts creates what is missing, with the
// rights that it takes.
func (r *Report) willCreate(may bool) bool {
	return r.want.Check && r.want.Creates && may && !r.recovery
}

func (r *Report) ok(id, object, what string) {
	r.add(Finding{ID: id, Object: object, Level: OK, What: what})
}

// String gives one line for each finding, and for those that are not OK what
// it means and what resolves it.
func (r *Report) String() string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.Level.String() + " " + f.ID + ": " + f.What)
		if f.Meaning != "" {
			b.WriteString("; " + f.Meaning)
		}
		if f.Fix != "" {
			b.WriteString("\n     " + strings.ReplaceAll(f.Fix, "\n", "\n     "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
