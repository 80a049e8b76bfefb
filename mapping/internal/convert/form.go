package convert

import "chatbridge/internal/jsonscan"

// Form is the form of a value in a payload. The zero Form is any.
type Form uint8

const (
	FormAny Form = iota
	FormText
	FormTime
	FormNumber
	FormBool
	FormArray
	FormObject
)

var formNames = [...]string{"any value", "text", "a time", "a number", "true or false", "a list", "an object"}

// String returns the form as errors name it, such as a list.
func (f Form) String() string { return formNames[f] }

// JSONForm tells the form of a JSON value by its first byte; false for null
// and for nothing.
func JSONForm(s []byte) (Form, bool) {
	i := jsonscan.SkipSpace(s, 0)
	if i >= len(s) {
		return FormAny, false
	}
	switch s[i] {
	case '{':
		return FormObject, true
	case '[':
		return FormArray, true
	case '"':
		return FormText, true
	case 't', 'f':
		return FormBool, true
	case 'n':
		return FormAny, false
	}
	return FormNumber, true
}
