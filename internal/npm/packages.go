package npm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wanted lists the direct dependencies of dir's package.json for the log,
// such as "client-4.0=socket.io-client@4.0.2, ws 8.18.0". A file that cannot
// be read yields "": npm reports what is wrong with it.
func wanted(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return ""
	}
	var file struct {
		Dependencies         map[string]string `json:"dependencies"`
		DevDependencies      map[string]string `json:"devDependencies"`
		OptionalDependencies map[string]string `json:"optionalDependencies"`
	}
	if json.Unmarshal(b, &file) != nil {
		return ""
	}
	var list []string
	for _, deps := range []map[string]string{file.Dependencies, file.DevDependencies, file.OptionalDependencies} {
		for name, version := range deps {
			if alias, ok := strings.CutPrefix(version, "npm:"); ok {
				list = append(list, name+"="+alias)
				continue
			}
			list = append(list, name+" "+version)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
