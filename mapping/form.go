package mapping

import "chatbridge/internal/jsonscan"

// form is the form of a value in a payload.
type form uint8

const (
	formAny form = iota
	formText
	formTime
	formNumber
	formBool
	formArray
	formObject
)

var formNames = [...]string{"any value", "text", "a time", "a number", "true or false", "a list", "an object"}

func (f form) String() string { return formNames[f] }

// jsonForm tells the form of a JSON value by its first byte; false for null
// and for nothing.
func jsonForm(s []byte) (form, bool) {
	i := jsonscan.SkipSpace(s, 0)
	if i >= len(s) {
		return formAny, false
	}
	switch s[i] {
	case '{':
		return formObject, true
	case '[':
		return formArray, true
	case '"':
		return formText, true
	case 't', 'f':
		return formBool, true
	case 'n':
		return formAny, false
	}
	return formNumber, true
}
