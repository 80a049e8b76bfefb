package readback

import (
	"strings"
	"time"
)

// maxFilter bounds the keys of one request: gateways commonly take addresses
// of 8 kB, and percent-encoding makes quotes and commas three times as long.
const (
	maxFilter = 4000
	maxKeys   = 100
)

// selectList is the value of `select`.
func selectList(columns []string) string {
	q := make([]string, len(columns))
	for i, c := range columns {
		q[i] = quoteName(c)
	}
	return strings.Join(q, ",")
}

// since is the condition for rows with a time at or after t.
func since(column string, t time.Time) string {
	return quoteName(column) + ".gte." + quoteValue(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// after is the condition for rows after the given one in the columns' order:
// a > x, or a = x and b > y, and so on.
func after(columns, last []string) string {
	var alts []string
	for i := range columns {
		var all []string
		for j := range i {
			all = append(all, quoteName(columns[j])+".eq."+quoteValue(last[j]))
		}
		all = append(all, quoteName(columns[i])+".gt."+quoteValue(last[i]))
		if len(all) == 1 {
			alts = append(alts, all[0])
		} else {
			alts = append(alts, "and("+strings.Join(all, ",")+")")
		}
	}
	if len(alts) == 1 {
		return alts[0]
	}
	return "or(" + strings.Join(alts, ",") + ")"
}

// keysFilter is the list for as many of the keys as fit one request, and how
// many that is: values for in.(…) where the key is one column, conditions for
// or=(…) otherwise.
func keysFilter(columns []string, keys [][]string) (string, int) {
	var b strings.Builder
	n := 0
	for _, key := range keys {
		var item string
		if len(columns) == 1 {
			item = quoteValue(key[0])
		} else {
			all := make([]string, len(columns))
			for i, c := range columns {
				all[i] = quoteName(c) + ".eq." + quoteValue(key[i])
			}
			item = "and(" + strings.Join(all, ",") + ")"
		}
		if n > 0 && (n == maxKeys || b.Len()+len(item) > maxFilter) {
			break
		}
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item)
		n++
	}
	return b.String(), n
}

// quoteValue quotes a value inside a list or a logical condition, where
// commas, dots and parentheses would otherwise end it.
func quoteValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteName quotes a column's name where PostgREST would misread it.
func quoteName(s string) string {
	for _, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return `"` + s + `"`
		}
	}
	return s
}
