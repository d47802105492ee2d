//go:build race

package wire

// raceEnabled says that a sync.Pool drops some of what it is given.
const raceEnabled = true
