package main

import "runtime/debug"

// collectAt is by how many per cent the heap may grow before its garbage is
// collected; Go's own default is 100. A relay holds little for each member and
// makes next to no garbage per record, so that what it takes is mostly what joins
// have left behind. To collect that early costs little and keeps the process small.
const collectAt = 25

// collectEarly has garbage collected early, unless GOGC says when.
func (p *program) collectEarly() {
	if p.getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
}
