package contest

import "time"

// A Trial is one contestant doing one job in one round.
type Trial struct {
	Round      int              `json:"round"`
	Contestant string           `json:"contestant"`
	Job        string           `json:"job"`
	Result     Result           `json:"result"`
	Usage      map[string]Usage `json:"usage"` // by role, over the measured span
	Err        string           `json:"error,omitempty"`
}

// A Result is what the last role of a contestant measured.
type Result struct {
	Calls   int64         `json:"calls"`
	Elapsed time.Duration `json:"elapsed_ns"`
	P50     time.Duration `json:"p50_ns"`
	P99     time.Duration `json:"p99_ns"`
	Max     time.Duration `json:"max_ns"`
	// Extra are figures that only one Section knows, such as messages lost.
	Extra map[string]float64 `json:"extra,omitempty"`
}

// Rate returns calls per second.
func (r Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Calls) / r.Elapsed.Seconds()
}

// Usage is what one process used over the measured span.
type Usage struct {
	User    time.Duration `json:"user_ns"`
	System  time.Duration `json:"system_ns"`
	Mallocs uint64        `json:"mallocs"`
	Bytes   uint64        `json:"alloc_bytes"`
	// RSS is the resident memory at the end of the span in bytes, 0 where it is
	// unknown; HeapInUse is the heap's part of it.
	RSS       uint64 `json:"rss_bytes"`
	HeapInUse uint64 `json:"heap_bytes"`
}

// CPU returns the time of the processors in both modes.
func (u Usage) CPU() time.Duration { return u.User + u.System }

// since returns what was used between two readings.
func (u Usage) since(before Usage) Usage {
	u.User -= before.User
	u.System -= before.System
	u.Mallocs -= before.Mallocs
	u.Bytes -= before.Bytes
	return u
}
