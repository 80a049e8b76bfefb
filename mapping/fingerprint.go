package mapping

import (
	"crypto/sha256"
	"encoding/hex"

	"go.yaml.in/yaml/v3"
)

// Fingerprint is short, and the same for two mappings that say the same, whatever their
// comments and the order of their keys. It is empty for one that cannot be written down.
func (s *Spec) Fingerprint() string { return s.fingerprint }

func fingerprint(top *yaml.Node) string {
	var said any
	if top.Decode(&said) != nil {
		return ""
	}
	text, err := yaml.Marshal(said) // sorts the keys
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}
