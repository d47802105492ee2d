package ledger

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a Receiver that counts.
type sink struct {
	got  int
	last Outcome
}

func (s *sink) Deliver(_ *Entry, o Outcome) { s.got++; s.last = o }

// id of the caller instance that most tests use.
func id(counter uint64) ID { return ID{Caller: [8]byte{1}, Counter: counter} }

func value(n int) Outcome { return Outcome{Body: make([]byte, n)} }

// begin begins a new call, admitted and without repeat flag.
func begin(t *testing.T, k *Link, n uint64, cancel func()) (*Entry, *sink) {
	t.Helper()
	s := &sink{}
	v, e, _ := k.Begin(id(n), false, true, CancelFunc(cancel), s)
	if v != Run {
		t.Fatalf("call %d: verdict %d, want Run", n, v)
	}
	return e, s
}

// expect sends a repeat and checks its verdict.
func expect(t *testing.T, k *Link, n uint64, want Verdict) {
	t.Helper()
	if got, _, _ := k.Begin(id(n), true, false, nil, &sink{}); got != want {
		t.Fatalf("repeat of call %d: verdict %d, want %d", n, got, want)
	}
}
