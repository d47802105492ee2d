package ledger

import "time"

// Limits bound the memory of a Ledger. A zero field takes the number named at
// it, which is the protocol's where the protocol names one.
type Limits struct {
	Ranges      int           // ranges of begun counters kept per caller; 10,240
	TotalRanges int           // ranges kept in all; 64 times Ranges
	Outcomes    int           // running calls and kept outcomes per caller; 10,240
	CallerBytes int64         // of kept outcomes per caller, passed by one outcome at most; 128 MiB
	TotalBytes  int64         // of kept outcomes in all, passed by one outcome at most; 256 MiB
	Callers     int           // callers without a link or a call that are remembered; 16,384
	Keep        time.Duration // how long an outcome is kept after its end; 2 min
	Grace       time.Duration // how long the interest of a lost link lasts; 15 s
}

// overhead is what one entry is charged beside the bytes of its outcome, so
// that the byte limits bound the memory of many empty outcomes too.
const overhead = 384

// doubtFor is how long after a caller was forgotten a repeat from an unknown
// caller is refused as perhaps executed. A link lives at most 24 h, so no first
// attempt is older than that.
const doubtFor = 24 * time.Hour

func (l Limits) withDefaults() Limits {
	set(&l.Ranges, 10_240)
	set(&l.TotalRanges, 64*l.Ranges)
	set(&l.Outcomes, 10_240)
	set(&l.CallerBytes, 128<<20)
	set(&l.TotalBytes, 256<<20)
	set(&l.Callers, 16_384)
	set(&l.Keep, 2*time.Minute)
	set(&l.Grace, 15*time.Second)
	return l
}

func set[T ~int | ~int64](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
