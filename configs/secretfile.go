package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecretFile bounds what is read from a secret's file, in bytes.
const maxSecretFile = 64 << 10

// readSecretFiles replaces each `<key>_file` of the layer by what the file
// holds. A key given both ways in one layer is an error.
func readSecretFiles(l layer, fields []*field) []Problem {
	var problems []Problem
	for _, f := range fields {
		named, ok := l[f.key+fileSuffix]
		if !f.secret || !ok {
			continue
		}
		delete(l, f.key+fileSuffix)
		if named.isEmpty() {
			continue
		}
		if plain, both := l[f.key]; both && !plain.isEmpty() {
			problems = append(problems, Problem{
				Key: f.key, Origin: plain.origin.String(),
				Reason: fmt.Sprintf("is also given by %s%s (%s): leave one of them out", f.key, fileSuffix, named.origin),
			})
			continue
		}
		path := named.text()
		value, err := readSecret(path, f)
		if err != nil {
			problems = append(problems, Problem{
				Key: f.key + fileSuffix, Value: path, Origin: named.origin.String(),
				Reason: bareError(err), Accepted: "a file with the secret in it that the bridge may read",
			})
			continue
		}
		named.origin.SecretFile = path
		l[f.key] = entry{value: value, origin: named.origin}
	}
	return problems
}

// readSecret reads one secret, or one a line where the setting takes several.
func readSecret(path string, f *field) (any, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("is larger than %s", Size(maxSecretFile))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if f.name != "secrets" {
		s := strings.TrimSpace(string(b))
		if s == "" {
			return nil, fmt.Errorf("is empty")
		}
		return s, nil
	}
	lines := []string{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	return lines, nil
}

// readCredentials reads systemd's credentials: files named as the keys of the
// secrets in dir. Other files there are other programs' business.
func readCredentials(dir string, fields []*field) (layer, []Problem) {
	if dir == "" {
		return nil, nil
	}
	out := layer{}
	var problems []Problem
	for _, f := range fields {
		path := filepath.Join(dir, f.key)
		// One that is there and cannot be read is no missing one.
		if _, err := os.Stat(path); !f.secret || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		origin := Origin{Layer: FromCredential, Name: f.key}
		value, err := readSecret(path, f)
		if err != nil {
			problems = append(problems, Problem{Key: f.key, Origin: origin.String(), Reason: bareError(err), Accepted: "a credential with the secret in it"})
			continue
		}
		out[f.key] = entry{value: value, origin: origin}
	}
	return out, problems
}
