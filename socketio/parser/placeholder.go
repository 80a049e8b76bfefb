package parser

import "chatbridge/internal/jsonscan"

// maxDepth bounds the nesting of a packet with attachments.
const maxDepth = jsonscan.MaxDepth

// container is an array or object that validPlaceholders is in.
type container struct {
	object bool
	// What the members say, of several of one name the last.
	placeholder bool // "_placeholder" is true
	valid       bool // "num" is the index of an attachment
}

// validPlaceholders reports whether each placeholder in data, which is valid JSON,
// refers to one of n attachments by an index in digits, as encoders write it. Node's
// decoder refuses the others too; to pass them on would make other clients drop their
// connections. It goes over data once and allocates nothing: whoever may send a packet
// may send millions of small objects in it.
func validPlaceholders(data []byte, n int) bool {
	var (
		stack [maxDepth]container
		depth = 0
		key   []byte // the name of the value that comes; nil in an array
	)
	for i := 0; i < len(data); {
		switch c := data[i]; c {
		case '{', '[':
			if depth == maxDepth {
				return false
			}
			if key != nil {
				stack[depth-1].member(key, nil, n)
			}
			stack[depth] = container{object: c == '{'}
			depth++
			key = nil
			i++
		case '}', ']':
			depth--
			if top := &stack[depth]; top.placeholder && !top.valid {
				return false
			}
			key = nil
			i++
		case ' ', '\t', '\r', '\n', ':':
			i++
		case ',':
			key = nil
			i++
		default:
			end := scalarEnd(data, i)
			switch {
			case depth == 0:
			case stack[depth-1].object && key == nil:
				key = data[i:end]
			case key != nil:
				stack[depth-1].member(key, data[i:end], n)
			}
			i = end
		}
	}
	return true
}

// member notes a member of an object; the value is nil for an array or object.
func (c *container) member(key, value []byte, n int) {
	const longest = len(`"_placeholder"`) * len(`\u0000`) // all its characters escaped
	if len(key) > longest {
		return
	}
	var buffer [longest]byte
	name, _ := jsonscan.Unquote(buffer[:0], key)
	switch string(name) {
	case "_placeholder":
		c.placeholder = string(value) == "true"
	case "num":
		c.valid = indexBelow(value, n)
	}
}

// scalarEnd returns where the scalar that begins at data[i] ends.
func scalarEnd(data []byte, i int) int {
	if data[i] == '"' {
		end, _ := jsonscan.SkipString(data, i)
		return end
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return i
}

// indexBelow reports whether a JSON number is an integer from 0 to n-1 in digits.
func indexBelow(number []byte, n int) bool {
	if len(number) == 0 || len(number) > 9 {
		return false
	}
	v := 0
	for _, c := range number {
		if c < '0' || c > '9' {
			return false
		}
		v = v*10 + int(c-'0')
	}
	return v < n
}
