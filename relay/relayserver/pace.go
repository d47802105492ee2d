package relayserver

import "time"

// How often a member may change its presence, which all others are told: at
// once, and then per second.
const (
	castBurst = 16
	castRate  = 8
)

// pace slows down who does something too often. The zero value is ready for use.
type pace struct {
	spent float64
	at    time.Time
}

// wait counts one more and returns how long it has to wait.
func (p *pace) wait(now time.Time) time.Duration {
	p.spent = max(0, p.spent-castRate*now.Sub(p.at).Seconds()) + 1
	p.at = now
	return time.Duration((p.spent - castBurst) / castRate * float64(time.Second))
}
