package discovery

import (
	"fmt"
	"time"
)

// ReportKind says what a Report is about.
type ReportKind uint8

// The kinds of report.
const (
	SourceFailed    ReportKind = iota + 1 // a source, or its part on one interface, does not work; it is retried
	SourceRecovered                       // it works again
	ClockSkew                             // a peer's clock is too far off to accept its adverts
)

// Report is something that a person who wonders why a node is not found
// wants to know. Reports are given on changes of state only, never per
// datagram.
type Report struct {
	Kind ReportKind
	// Source is SourceUDP, SourceMDNS or SourceStatic.
	Source string
	// Part is the interface, address or host concerned; empty for the whole
	// source.
	Part string
	// Err is the cause of SourceFailed.
	Err error
	// Name is the peer's name and Offset its clock minus ours (ClockSkew). An
	// old advert that somebody plays back looks the same as a slow clock.
	Name   string
	Offset time.Duration
}

// String returns the report as one line for a log or a terminal. Names in it
// are quoted.
func (r Report) String() string {
	where := r.Source
	if r.Part != "" {
		where += " " + r.Part
	}
	switch r.Kind {
	case SourceFailed:
		return fmt.Sprintf("%s: %v", where, r.Err)
	case SourceRecovered:
		return where + ": works again"
	case ClockSkew:
		return fmt.Sprintf("clock of peer %q is off by %v", r.Name, r.Offset.Round(time.Second))
	}
	return fmt.Sprintf("ReportKind(%d)", uint8(r.Kind))
}
