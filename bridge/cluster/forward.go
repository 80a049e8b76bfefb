package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// ForwardHeader is what a request has that another bridge of the cluster passes on: the
// client's address, and a proof that whoever wrote it knows the secret of this bridge,
// which is told to the others over Redis. NodeHeader of the answer to such a request is the
// id of the bridge that took it.
const (
	ForwardHeader = "Bridge-Forwarded"
	NodeHeader    = "Bridge-Node"
)

// Forwarded returns the value of ForwardHeader for a request to a bridge of that secret.
func Forwarded(secret, method, uri, address string) string {
	return address + " " + hex.EncodeToString(ForwardProof(secret, method, uri, address))
}

// ForwardProof is the proof in it.
func ForwardProof(secret, method, uri, address string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + "\n" + uri + "\n" + address))
	return mac.Sum(nil)
}
