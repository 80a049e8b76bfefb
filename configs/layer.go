package configs

// entry is a value as a layer gives it: value is a string or a []string.
type entry struct {
	value  any
	origin Origin
}

// layer is what one source gives, by key. The keys of secrets may also be
// there with fileSuffix, until readSecretFiles has replaced them.
type layer map[string]entry

const fileSuffix = "_file"

// isEmpty reports whether the entry says nothing: "" or an empty list.
func (e entry) isEmpty() bool {
	switch v := e.value.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0
	}
	return true
}

// text shows the entry for a message.
func (e entry) text() string {
	switch v := e.value.(type) {
	case string:
		return v
	case []string:
		s := ""
		for i, item := range v {
			if i > 0 {
				s += ","
			}
			s += item
		}
		return s
	}
	return ""
}
