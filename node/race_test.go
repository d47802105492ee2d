//go:build race

package node

// raceEnabled says that a sync.Pool drops some of what it is given.
const raceEnabled = true
