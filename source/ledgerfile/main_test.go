package ledgerfile

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(writerVariable) != "" {
		writer()
		return
	}
	goleak.VerifyTestMain(m)
}
