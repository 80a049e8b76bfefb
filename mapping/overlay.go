package mapping

import "go.yaml.in/yaml/v3"

// mergeDepth says how deep the sections of two files are merged: a file of the
// operator's own replaces one key of message, one member, one name, one word list. Below
// that a value is replaced whole.
func mergeDepth(path []string) bool {
	switch len(path) {
	case 0:
		return true
	case 1:
		return true // message, conversation, typing, references, words
	case 2:
		return path[1] == "members" || path[1] == "names" || path[0] == "references" || path[0] == "words"
	}
	return false
}

// merge lays the mapping own over base and returns base. A null takes away.
// origin remembers which nodes are own's.
func merge(base, own *yaml.Node, path []string, origin map[*yaml.Node]bool) {
	for i := 0; i+1 < len(own.Content); i += 2 {
		key, value := own.Content[i], deref(own.Content[i+1])
		at := indexOf(base, key.Value)
		switch {
		case at >= 0 && isNullNode(value):
			base.Content = append(base.Content[:at], base.Content[at+2:]...)
		case at >= 0 && value.Kind == yaml.MappingNode && deref(base.Content[at+1]).Kind == yaml.MappingNode &&
			mergeDepth(append(path, key.Value)):
			merge(deref(base.Content[at+1]), value, append(path, key.Value), origin)
		case at >= 0:
			base.Content[at], base.Content[at+1] = key, value
			markOwn(key, origin, 0)
			markOwn(value, origin, 0)
		case !isNullNode(value):
			base.Content = append(base.Content, key, value)
			markOwn(key, origin, 0)
			markOwn(value, origin, 0)
		}
	}
}

func markOwn(n *yaml.Node, origin map[*yaml.Node]bool, depth int) {
	if origin[n] || depth > maxExprDepth {
		return
	}
	origin[n] = true
	if n.Kind == yaml.AliasNode {
		markOwn(n.Alias, origin, depth+1)
	}
	for _, c := range n.Content {
		markOwn(c, origin, depth+1)
	}
}

func indexOf(mapping *yaml.Node, key string) int {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func deref(n *yaml.Node) *yaml.Node {
	for depth := 0; n.Kind == yaml.AliasNode && depth < maxExprDepth; depth++ {
		n = n.Alias
	}
	return n
}

func isNullNode(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }
