//go:build !unix

package logging

import "os"

func fileID(*os.File) (string, bool) { return "", false }
