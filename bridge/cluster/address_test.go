package cluster_test

import (
	"strings"
	"testing"

	"chatbridge/bridge/cluster"
)

// TestAnAddressThatIsNone: the error repeats nothing that may be of the password, and the remedy
// tells how its characters are written.
func TestAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	const secret = "Zq7secret"
	for _, address := range []string{
		"redis://:12/" + secret + "@127.0.0.1:6379",
		"redis://:12?" + secret + "@127.0.0.1:6379",
		"redis://:12?addr=" + secret + "@127.0.0.1:6379",
		"redis://:12#" + secret + "@127.0.0.1:6379",
		"redis://:" + secret + "@x/" + secret + "@127.0.0.1:6379",
		"redis://:" + secret + "/x@127.0.0.1:6379",
		"redis://:" + secret + "%x@127.0.0.1:6379",
		"redis://:" + secret + " @127.0.0.1:6379",
		"redis://:" + secret + "@127.0.0.1:6379 ",
	} {
		_, err := cluster.Client(address)
		if err == nil {
			t.Errorf("%s is accepted", address)
			continue
		}
		if text := err.Error() + cluster.Remedy(err); strings.Contains(text, secret) || !strings.Contains(text, "%40") {
			t.Errorf("%s: %s", address, text)
		}
	}
	for _, address := range []string{
		"redis://user:p%40s%2Fs@127.0.0.1:6379/2", "rediss://127.0.0.1", "redis://10.0.0.1:6379?addr=10.0.0.2:6379",
		"redis://127.0.0.1:26379?master_name=crm&password=p@ss",
	} {
		if _, err := cluster.Client(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := cluster.Client("http://127.0.0.1"); err == nil || !strings.Contains(cluster.Remedy(err), "rediss://") {
		t.Errorf("another scheme: %v", err)
	}
}
