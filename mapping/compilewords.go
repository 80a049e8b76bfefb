package mapping

import (
	"slices"
	"strings"

	"chatbridge/internal/nearest"

	"go.yaml.in/yaml/v3"
)

// wordTables compiles the section `words:`.
func (c *compiler) wordTables(n *yaml.Node) {
	for name, table := range c.keys(n, "words") {
		if words := c.wordTable(table, nil); words != nil {
			c.words[name] = words
		}
	}
}

// wordTable compiles {target: [word, …]}, or takes the table of that name.
// With an enum the targets must be in it. The words of null are known and have
// no value. A word of the operator's own list leaves the preset's.
func (c *compiler) wordTable(n *yaml.Node, enum []string) map[string][]byte {
	if n.Kind == yaml.ScalarNode {
		return c.namedWords(n, enum)
	}
	if n.Kind != yaml.MappingNode {
		c.fail(n, "`words:` takes {target: [word, word]}, or the name of a table in the section words")
		return nil
	}
	out, own := map[string][]byte{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		to, from := n.Content[i], deref(n.Content[i+1])
		var target []byte
		if !isNullNode(to) {
			target = []byte(to.Value)
		}
		if target != nil && len(enum) > 0 && !slices.Contains(enum, to.Value) {
			c.fail(to, "%q is not accepted: %s", to.Value, nearest.Hint(to.Value, enum))
			continue
		}
		list := []*yaml.Node{from}
		if from.Kind == yaml.SequenceNode {
			list = from.Content
		}
		for _, w := range list {
			word := strings.ToLower(deref(w).Value)
			other, taken := out[word]
			switch {
			case taken && own[word] && !c.origin[w]:
				continue
			case taken && own[word] == c.origin[w] && string(other) != string(target):
				c.fail(w, "the word %q leads to both %q and %q", word, other, to.Value)
			}
			out[word], own[word] = target, c.origin[w]
		}
	}
	return out
}

// namedWords takes the table of that name.
func (c *compiler) namedWords(n *yaml.Node, enum []string) map[string][]byte {
	table := c.words[n.Value]
	if table == nil {
		var names []string
		for name := range c.words {
			names = append(names, name)
		}
		slices.Sort(names)
		c.fail(n, "there is no word table %q: %s", n.Value, nearest.Hint(n.Value, names))
		return nil
	}
	for _, to := range table {
		if to != nil && len(enum) > 0 && !slices.Contains(enum, string(to)) {
			c.fail(n, "the word table %q leads to %q: %s", n.Value, to, nearest.Hint(string(to), enum))
			return nil
		}
	}
	return table
}
