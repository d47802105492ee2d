package ledger

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// model is the ledger of one caller instance in the simplest form: what each
// counter is, without ranges or limits.
type model struct {
	state     map[uint64]Verdict // Attached: runs; Kept; Gone
	entries   map[uint64]*Entry
	receivers map[uint64][]*sink
	interest  map[uint64]int
	cancelled map[uint64]int
	highest   uint64 // no counter above it began
}

// TestLedgerAgreesWithAModel drives random begins, repeats, ends,
// acknowledgements and cancels, with few ranges, and compares each verdict.
// Doubt is allowed only where the model knows a counter at or above it.
func TestLedgerAgreesWithAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := rapid.IntRange(2, 6).Draw(t, "ranges")
		l := New(Limits{Ranges: ranges})
		links := []*Link{l.Attach(ByKey([32]byte{1})), l.Attach(ByKey([32]byte{1}))}
		m := model{map[uint64]Verdict{}, map[uint64]*Entry{}, map[uint64][]*sink{}, map[uint64]int{}, map[uint64]int{}, 0}
		counter := rapid.OneOf(rapid.Uint64Range(0, 24), rapid.Uint64Range(math.MaxUint64-3, math.MaxUint64))
		t.Repeat(map[string]func(*rapid.T){
			"call": func(t *rapid.T) {
				m.call(t, l, rapid.SampledFrom(links).Draw(t, "link"), counter.Draw(t, "counter"))
			},
			"finish": func(t *rapid.T) { m.finish(t, counter.Draw(t, "counter")) },
			"acknowledge": func(t *rapid.T) {
				n := counter.Draw(t, "counter")
				if m.state[n] == Kept {
					l.Acknowledge([]*Entry{m.entries[n]})
					m.state[n] = Gone
				}
			},
			"cancel": func(t *rapid.T) { m.cancel(t, links, counter.Draw(t, "counter")) },
			"": func(t *rapid.T) {
				if s := l.Stats(); s.Ranges > ranges {
					t.Fatalf("%d ranges, limit %d", s.Ranges, ranges)
				}
			},
		})
	})
}

func (m *model) call(t *rapid.T, l *Ledger, k *Link, n uint64) {
	s := &sink{}
	repeat := rapid.Bool().Draw(t, "repeat")
	got, e, _ := k.Begin(id(n), repeat, true, CancelFunc(func() { m.cancelled[n]++ }), s)
	want, known := m.state[n]
	switch {
	case got == Doubtful:
		if known && want != Gone || n > m.highest {
			t.Fatalf("call %d: doubt, but it is %d", n, want)
		}
	case !known && got != Run, known && got != want:
		t.Fatalf("call %d: verdict %d, want %d (known %v)", n, got, want, known)
	}
	switch got {
	case Run:
		m.state[n], m.entries[n] = Attached, e
		m.highest = max(m.highest, n)
		fallthrough
	case Attached:
		m.receivers[n] = append(m.receivers[n], s)
		m.interest[n]++
	}
}

func (m *model) finish(t *rapid.T, n uint64) {
	if m.state[n] != Attached {
		return
	}
	m.entries[n].Finish(value(3))
	m.state[n] = Kept
	for i, s := range m.receivers[n] {
		if s.got != 1 {
			t.Fatalf("receiver %d of call %d got %d outcomes", i, n, s.got)
		}
	}
}

func (m *model) cancel(t *rapid.T, links []*Link, n uint64) {
	rs := m.receivers[n]
	if m.state[n] != Attached || len(rs) == 0 {
		return
	}
	withdrawn := 0
	for _, k := range links {
		if k.Withdraw(m.entries[n], rs[0]) {
			withdrawn++
		}
	}
	m.receivers[n] = rs[1:]
	m.interest[n]--
	want := 0
	if m.interest[n] == 0 {
		want = 1
	}
	if withdrawn != 1 || m.cancelled[n] < want || m.cancelled[n] > 1 {
		t.Fatalf("call %d: withdrawn %d, cancelled %d, interested %d", n, withdrawn, m.cancelled[n], m.interest[n])
	}
}
