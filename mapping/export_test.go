package mapping

import "slices"

// The byte-level helpers, for their tests.
var (
	AppendTime = appendTime
	TimeOrder  = timeOrder
	ParseTime  = parseTime
	Phone      = phone
	PhoneJID   = phoneJID
)

// AppendTimeOf is appendTimeOf with the unit's name.
func AppendTimeOf(dst, s []byte, unit string) (out []byte, ok, counted bool) {
	return appendTimeOf(dst, s, timeUnit(slices.Index(unitNames, unit)+1))
}

// As writes s as the transform of that name does, "" when it has no such form.
func As(name, s string) string {
	x := &asExpr{&constExpr{plain: []byte(s)}, transforms[name]}
	out, _ := x.text(&env{})
	return string(out)
}

var phoneJIDBuffer [64]byte

// AppendPhoneJID writes s as the JID of a phone, into nothing.
func AppendPhoneJID(s string) { asPhoneJID(phoneJIDBuffer[:0], []byte(s)) }

// HasShape tells that s has the shape of that name.
func HasShape(name, s string) bool { return matcher(name)([]byte(s)) }

// AppendEdited is appendEdited with the edit spelled out.
func AppendEdited(dst, s []byte, dropNulls bool, times ...string) ([]byte, bool) {
	return appendEdited(dst, s, edit{dropNulls: dropNulls, times: times}, 0)
}

// MergeObject merges added members, given as an object, into base.
func MergeObject(base []byte, name string, value []byte) ([]byte, bool) {
	var trusted [maxTables][]bool
	row := rowOfText(base)
	trusted[0] = []bool{true}
	e := &env{tables: 1, trusted: &trusted}
	e.set(0, row)
	x := &mergeExpr{
		base:  &jsonExpr{of: &columnExpr{}, want: formObject},
		with:  objectExpr{[]memberExpr{newMember(name, false, &constExpr{encoded: value})}},
		names: []string{name},
	}
	return x.json(nil, e)
}
