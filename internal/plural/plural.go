// Package plural writes numbers of things as people say them.
package plural

import "strconv"

// Of returns n and what there are n of: one for 1, many for any other number.
func Of[N ~int | ~int64 | ~uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(int64(n), 10) + " " + many
}
