package mapping

import (
	"embed"
	"fmt"
	"os"
	"strings"

	"chatbridge/internal/nearest"

	"go.yaml.in/yaml/v3"
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the presets.
func Presets() []string { return []string{"chatengine", "chatwoot", "crm", "evolution"} }

// Preset returns a preset's YAML, as the start of a file of one's own.
func Preset(name string) ([]byte, error) {
	b, err := presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("mapping preset %q: %s", name, nearest.Hint(name, Presets()))
	}
	return b, nil
}

// Load compiles a mapping: the preset of that name (`crm`, `chatengine`),
// changed by the file unless it is "". A file that says `replace: true` stands
// alone and the preset is not read.
//
// An error in the mapping is an *Error: it names file and line of everything
// that is wrong and the nearest accepted word.
func Load(preset, file string) (*Spec, error) {
	if file == "" {
		base, err := Preset(preset)
		if err != nil {
			return nil, err
		}
		return compile(document{name: "preset " + preset, text: base}, document{})
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read mapping: %w", err)
	}
	return Parse(preset, file, text)
}

// Parse is Load with the file's text given; file is its name for errors.
func Parse(preset, file string, text []byte) (*Spec, error) {
	own := document{name: file, text: text}
	if own.replaces() {
		return compile(own, document{})
	}
	base, err := Preset(preset)
	if err != nil {
		return nil, err
	}
	return compile(document{name: "preset " + preset, text: base}, own)
}

// document is one YAML file.
type document struct {
	name string
	text []byte
}

func (d document) replaces() bool {
	var head struct {
		Replace bool `yaml:"replace"`
	}
	return yaml.Unmarshal(d.text, &head) == nil && head.Replace
}

// root parses the document into its top mapping, nil when it is empty.
func (d document) root() (*yaml.Node, *Error) {
	var n yaml.Node
	if err := yaml.Unmarshal(d.text, &n); err != nil {
		return nil, &Error{Problems: []Problem{yamlProblem(d.name, err)}}
	}
	if n.Kind == 0 {
		return nil, nil
	}
	top := n.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, &Error{Problems: []Problem{{File: d.name, Line: top.Line, Text: "a mapping starts with sections such as `message:`"}}}
	}
	return top, nil
}

// yamlProblem takes the line out of yaml's error text `yaml: line 3: …`.
func yamlProblem(file string, err error) Problem {
	p := Problem{File: file, Line: 1, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	var line int
	if n, _ := fmt.Sscanf(p.Text, "line %d:", &line); n == 1 {
		p.Line = line
		_, p.Text, _ = strings.Cut(p.Text, ": ")
	}
	p.Text += ": not YAML"
	return p
}
