package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chatbridge/internal/nearest"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// readFile has viper read the YAML file, if there is one.
func (l *loader) readFile(path string) {
	if path == "" {
		return
	}
	l.viper.SetConfigFile(path)
	l.viper.SetConfigType("yaml")
	if err := l.viper.ReadInConfig(); err != nil {
		l.unread = true
		l.add(Problem{Origin: path, Reason: "cannot be read: " + bareError(err), Accepted: "a YAML file that the bridge may read"})
	}
}

// Decoder makes the loader viper's decoder of every format.
func (l *loader) Decoder(string) (viper.Decoder, error) { return l, nil }

// Decode is called by viper with the content of the file. What is wrong with
// it is reported as problems, not as an error.
func (l *loader) Decode(content []byte, values map[string]any) error {
	from, problems := decodeFile(content, filepath.Base(l.viper.ConfigFileUsed()), l.names)
	l.unread = from == nil
	maps.Copy(values, l.accept(from, problems))
	return nil
}

// bareError is the error without the path that os puts before it.
func bareError(err error) string {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// decodeFile reads YAML into a layer, nil where that cannot be done. The names of keys are checked here,
// where the lines are known.
func decodeFile(content []byte, name string, names *names) (layer, []Problem) {
	w := &fileWalk{file: name, names: names, out: layer{}}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // nothing but comments
		return w.out, nil
	case err != nil:
		return nil, []Problem{{Origin: name, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		w.add(doc.Line, "", "holds more than one YAML document")
	}
	root := resolve(doc.Content[0])
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return w.out, nil
	}
	if root.Kind != yaml.MappingNode {
		w.add(root.Line, "", "is not a YAML mapping of settings")
		return nil, w.problems
	}
	w.mapping(root, "")
	return w.out, w.problems
}

// fileWalk flattens the YAML tree into dotted keys.
type fileWalk struct {
	file     string
	names    *names
	out      layer
	problems []Problem
}

func (w *fileWalk) origin(line int) Origin {
	return Origin{Layer: FromFile, Name: w.file, Line: line}
}

func (w *fileWalk) add(line int, key, reason string) {
	w.problems = append(w.problems, Problem{Key: key, Origin: w.origin(line).String(), Reason: reason})
}

func (w *fileWalk) mapping(n *yaml.Node, prefix string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], resolve(n.Content[i+1])
		key := prefix + name.Value
		switch {
		case w.names.sections[key] != "":
			w.sectionValue(key, name.Line, value)
		case w.names.known(key):
			w.leaf(key, name.Line, value)
		default:
			w.add(name.Line, key, "is not a known key"+w.names.suggest(key))
		}
	}
}

func (w *fileWalk) sectionValue(key string, line int, n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		w.mapping(n, key+".")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		// A section whose settings are all commented out.
	default:
		w.add(line, key, "is a section and holds settings such as "+w.names.sections[key]+", not a value")
	}
}

func (w *fileWalk) leaf(key string, line int, n *yaml.Node) {
	if before, twice := w.out[key]; twice {
		w.add(line, key, "is given twice, first at "+before.origin.String())
		return
	}
	e := entry{origin: w.origin(line)}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return
		}
		// The text as written: a secret of digits must not lose a leading 0.
		e.value = n.Value
	case yaml.SequenceNode:
		items := []string{}
		for _, item := range n.Content {
			if item = resolve(item); item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				w.add(item.Line, key, "has an item that is not a plain value")
				return
			}
			items = append(items, item.Value)
		}
		e.value = items
	default:
		w.add(line, key, "is a mapping where a value belongs")
		return
	}
	w.out[key] = e
}

// resolve follows a YAML alias. (The decoder refuses aliases that contain
// themselves.)
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// names are the known keys, for finding and for suggesting them.
type names struct {
	fields   map[string]*field
	keys     []string          // all that a file may have, `_file` forms included
	sections map[string]string // the first key of each
}

func newNames(fields []*field) *names {
	n := &names{fields: map[string]*field{}, sections: map[string]string{}}
	for _, f := range fields {
		n.fields[f.key] = f
		n.keys = append(n.keys, f.key)
		if f.secret {
			n.keys = append(n.keys, f.key+fileSuffix)
		}
		for i, c := range f.key {
			if c == '.' {
				if _, has := n.sections[f.key[:i]]; !has {
					n.sections[f.key[:i]] = f.key
				}
			}
		}
	}
	return n
}

func (n *names) known(key string) bool { return slices.Contains(n.keys, key) }

// suggest returns `; did you mean "…"?`, or "" where nothing is near. A key
// whose last part is right but stands in the wrong section finds its way too.
func (n *names) suggest(key string) string {
	candidates := slices.Concat(n.keys, slices.Sorted(maps.Keys(n.sections)))
	near := nearest.Of(key, candidates)
	if near == "" {
		last := "." + key[strings.LastIndexByte(key, '.')+1:]
		i := slices.IndexFunc(n.keys, func(k string) bool { return strings.HasSuffix("."+k, last) })
		if i < 0 {
			return ""
		}
		near = n.keys[i]
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
