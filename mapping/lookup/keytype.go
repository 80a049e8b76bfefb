package lookup

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// keyType is a type whose values come as text from elsewhere.
type keyType struct {
	name string // as casts have it
	// is the form of the values, nil for any text.
	form *regexp.Regexp
	// cast has to follow the column: it is compared as text.
	cast string
}

var (
	uuidForm    = regexp.MustCompile(`^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	integerForm = regexp.MustCompile(`^-?[0-9]{1,9}$`)
	bigintForm  = regexp.MustCompile(`^-?[0-9]{1,18}$`)
)

// typeOf returns how values are compared with a column of that type. What has another
// form than the type would be an error of the whole question.
func typeOf(name string) keyType {
	switch {
	case name == "uuid":
		return keyType{name: name, form: uuidForm}
	case name == "integer":
		return keyType{name: name, form: integerForm}
	case name == "bigint":
		return keyType{name: name, form: bigintForm}
	case name == "text":
		return keyType{name: name}
	case strings.HasPrefix(name, "character varying"):
		return keyType{name: "character varying"}
	}
	return keyType{name: "text", cast: "::text"}
}

// takes reports whether the text is a value of the type.
func (t keyType) takes(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00") && (t.form == nil || t.form.MatchString(s))
}
