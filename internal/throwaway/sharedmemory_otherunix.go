//go:build unix && !linux

package throwaway

// removeSharedMemory does nothing: a killed postmaster's 56 bytes of System V
// shared memory stay until the machine restarts.
func removeSharedMemory(string) {}
