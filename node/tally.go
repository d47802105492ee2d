package node

import (
	"math/bits"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/fernmesh/fernmesh/commands"
)

// tally is what is counted of one command. It grows to a fixed size, about
// 1.4 KiB and those 16 KiB of recent.
type tally struct {
	running atomic.Int64
	nanos   atomic.Int64 // of all calls that ended
	errors  atomic.Uint64
	last    atomic.Pointer[CommandError]
	times   [timeBuckets]atomic.Uint64
	recent  recent
	overall *recent // of all commands
}

// Times are kept in buckets that grow with what they hold: each power of two
// of nanoseconds from 2^10 (1 µs) to 2^46 (19 h) is cut into four, so that the
// middle of a bucket is within 12.5 % of every time in it. The first bucket
// holds all that is shorter, the last all that is longer.
const (
	firstOctave  = 10
	lastOctave   = 46
	perOctave    = 4
	timeBuckets  = (lastOctave-firstOctave)*perOctave + 2
	maxErrorText = 200 // bytes of an error that are kept
)

func timeBucket(d time.Duration) int {
	if d < 1<<firstOctave {
		return 0
	}
	octave := bits.Len64(uint64(d)) - 1
	if octave >= lastOctave {
		return timeBuckets - 1
	}
	quarter := int(d>>(octave-2)) & (perOctave - 1)
	return 1 + (octave-firstOctave)*perOctave + quarter
}

// bucketMiddle is the time that a bucket stands for.
func bucketMiddle(i int) time.Duration {
	switch i {
	case 0:
		return 1 << (firstOctave - 1)
	case timeBuckets - 1:
		return 1 << lastOctave
	}
	octave, quarter := firstOctave+(i-1)/perOctave, (i-1)%perOctave
	width := time.Duration(1) << (octave - 2)
	return 1<<octave + time.Duration(quarter)*width + width/2
}

// begin counts a call that starts and came before.
func (t *tally) begin(arrived time.Time) {
	t.running.Add(1)
	t.recent.begin(arrived)
	t.overall.begin(arrived)
}

// end counts a call that took d, after its arrival took response, and failed if
// err is not nil.
func (t *tally) end(response, d time.Duration, err *commands.Error) {
	t.recent.end(response, d)
	t.overall.end(response, d)
	t.nanos.Add(int64(d))
	t.times[timeBucket(d)].Add(1) // before errors: see stat
	if err != nil {
		t.errors.Add(1)
		t.last.Store(&CommandError{Code: err.Code, Text: cut(err.Message, maxErrorText), Time: time.Now()})
	}
	t.running.Add(-1)
}

// stat reads the tally. Calls may end meanwhile; errors are read first, so that
// there are never more of them than calls.
func (t *tally) stat() CommandStat {
	s := CommandStat{Running: int(t.running.Load()), Errors: t.errors.Load(), LastError: t.last.Load()}
	s.Total, s.Recent = time.Duration(t.nanos.Load()), t.recent.stat(time.Now())
	var times [timeBuckets]uint64
	for i := range t.times {
		times[i] = t.times[i].Load()
		s.Calls += times[i]
	}
	if s.Calls == 0 {
		return s
	}
	s.Mean = time.Duration(uint64(s.Total) / s.Calls)
	rank := s.Calls - s.Calls/100 // of 100 calls, the one that just one takes longer than
	for i, n := range times {
		if rank <= n {
			s.P99 = bucketMiddle(i)
			break
		}
		rank -= n
	}
	return s
}

// cut returns the beginning of s as valid UTF-8 that does not hold on to the rest.
func cut(s string, most int) string {
	if len(s) > most {
		for most > 0 && !utf8.RuneStart(s[most]) {
			most--
		}
		s = s[:most] + "…"
	}
	return strings.Clone(strings.ToValidUTF8(s, "\uFFFD"))
}
