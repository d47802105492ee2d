package ledger

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestS3_21_RepeatGetsTheStoredOutcome(t *testing.T) {
	l := New(Limits{})
	first, second := l.Attach(ByInstance([16]byte{7})), l.Attach(ByInstance([16]byte{7}))
	e, own := begin(t, first, 1, nil)

	waiting := &sink{}
	if v, same, _ := second.Begin(id(1), true, true, nil, waiting); v != Attached || same != e {
		t.Fatalf("repeat of a running call: verdict %d", v)
	}
	e.Finish(Outcome{Body: []byte("done")})
	if own.got != 1 || waiting.got != 1 || string(waiting.last.Body) != "done" {
		t.Fatalf("own receiver got %d outcomes, the repeat's %d (%q)", own.got, waiting.got, waiting.last.Body)
	}
	v, _, o := second.Begin(id(1), true, true, nil, &sink{})
	if v != Kept || string(o.Body) != "done" {
		t.Fatalf("repeat of an ended call: verdict %d, %q", v, o.Body)
	}
	l.Acknowledge([]*Entry{e})
	expect(t, second, 1, Gone)
}

func TestRepeatWithoutFlagDoesNotRunTwice(t *testing.T) {
	k := New(Limits{}).Attach(ByInstance([16]byte{7}))
	begin(t, k, 1, nil)
	if v, _, _ := k.Begin(id(1), false, true, nil, &sink{}); v != Attached {
		t.Fatalf("verdict %d", v)
	}
}

func TestCallersAreKnownByKeyElseByInstance(t *testing.T) {
	l := New(Limits{})
	begin(t, l.Attach(ByKey([32]byte{1})), 1, nil)
	expect(t, l.Attach(ByKey([32]byte{1})), 1, Attached)
	begin(t, l.Attach(ByKey([32]byte{2})), 1, nil)
	begin(t, l.Attach(ByInstance([16]byte{1})), 1, nil)
}

func TestNotAdmittedNotesNothing(t *testing.T) {
	k := New(Limits{}).Attach(ByInstance([16]byte{7}))
	if v, _, _ := k.Begin(id(1), false, false, nil, &sink{}); v != Unknown {
		t.Fatalf("verdict %d", v)
	}
	begin(t, k, 1, nil)
}

func TestOutcomesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{})
		defer l.Close()
		k := l.Attach(ByInstance([16]byte{7}))
		early, _ := begin(t, k, 1, nil)
		late, _ := begin(t, k, 2, nil)
		early.Finish(value(10))
		time.Sleep(time.Minute)
		late.Finish(value(10))
		time.Sleep(time.Minute - time.Nanosecond)
		expect(t, k, 1, Kept)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		expect(t, k, 1, Gone)
		expect(t, k, 2, Kept)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, k, 2, Gone)
		if s := l.Stats(); s.Bytes != 0 || s.Outcomes != 0 || s.Running != 0 {
			t.Fatalf("left: %+v", s)
		}
	})
}

func TestFullMemoryRefusesNewCallsOnly(t *testing.T) {
	for name, limits := range map[string]Limits{
		"count":  {Outcomes: 2},
		"caller": {CallerBytes: 1000},
		"total":  {TotalBytes: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			l := New(limits)
			k := l.Attach(ByInstance([16]byte{7}))
			a, _ := begin(t, k, 1, nil)
			b, _ := begin(t, k, 2, nil)
			a.Finish(value(200))
			b.Finish(value(100))
			if v, _, _ := k.Begin(id(3), false, true, nil, &sink{}); v != Full {
				t.Fatalf("new call: verdict %d, want Full", v)
			}
			expect(t, k, 1, Kept)
			l.Acknowledge([]*Entry{a})
			begin(t, k, 3, nil)
		})
	}
}

func TestOutcomeThatDoesNotFitIsDeliveredButNotKept(t *testing.T) {
	l := New(Limits{CallerBytes: 10_000})
	k := l.Attach(ByInstance([16]byte{7}))
	a, _ := begin(t, k, 1, nil)
	b, got := begin(t, k, 2, nil)
	a.Finish(value(20_000)) // passes the limit, once
	b.Finish(value(5000))
	if got.got != 1 {
		t.Fatal("the outcome was not delivered")
	}
	expect(t, k, 1, Kept)
	expect(t, k, 2, Gone)
	if s := l.Stats(); s.Dropped != 1 || s.Bytes > 21_000 {
		t.Fatalf("%+v", s)
	}
}

func TestInterestOfALostLinkLastsForTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{})
		defer l.Close()
		k := l.Attach(ByInstance([16]byte{7}))
		var cancelled atomic.Int32
		e, got := begin(t, k, 1, func() { cancelled.Add(1) })
		k.Lost()
		time.Sleep(15*time.Second - time.Nanosecond)
		synctest.Wait()
		if cancelled.Load() != 0 {
			t.Fatal("cancelled within the grace")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if cancelled.Load() != 1 {
			t.Fatalf("cancelled %d times after the grace", cancelled.Load())
		}
		e.Finish(value(1))
		if got.got != 0 {
			t.Fatal("a lost link was given an outcome")
		}
		expect(t, l.Attach(ByInstance([16]byte{7})), 1, Kept)
	})
}

func TestRepeatTakesOverTheInterest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{})
		defer l.Close()
		old, young := l.Attach(ByInstance([16]byte{7})), l.Attach(ByInstance([16]byte{7}))
		var cancelled atomic.Int32
		e, _ := begin(t, old, 1, func() { cancelled.Add(1) })
		old.Lost()
		time.Sleep(10 * time.Second)
		s := &sink{}
		young.Begin(id(1), true, true, nil, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if cancelled.Load() != 0 {
			t.Fatal("cancelled although a link is interested")
		}
		if !young.Withdraw(e, s) || cancelled.Load() != 1 {
			t.Fatalf("after the last CANCEL: cancelled %d times", cancelled.Load())
		}
		if young.Withdraw(e, s) {
			t.Fatal("withdrew twice")
		}
	})
}

func TestWithdrawnReceiverGetsNothing(t *testing.T) {
	k := New(Limits{}).Attach(ByInstance([16]byte{7}))
	e, s := begin(t, k, 1, func() {})
	k.Withdraw(e, s)
	e.Finish(value(1))
	if s.got != 0 {
		t.Fatal("delivered after CANCEL")
	}
}

func TestGapsCloseLowestFirstAndAreInDoubt(t *testing.T) {
	l := New(Limits{Ranges: 3})
	k := l.Attach(ByInstance([16]byte{7}))
	for _, n := range []uint64{1, 3, 5, 7, 9} {
		e, _ := begin(t, k, n, nil)
		e.Finish(value(0))
		l.Acknowledge([]*Entry{e})
	}
	if got := l.Stats().Ranges; got != 3 {
		t.Fatalf("%d ranges, want 3", got)
	}
	for _, n := range []uint64{1, 2, 3, 4, 5} {
		expect(t, k, n, Doubtful)
	}
	expect(t, k, 7, Gone)
	begin(t, k, 6, nil)
	begin(t, k, 8, nil)
	if got := l.Stats().Ranges; got != 1 {
		t.Fatalf("%d ranges after the gaps were filled, want 1", got)
	}
}

func TestInstancesOfOneKeyShareTheRanges(t *testing.T) {
	l := New(Limits{Ranges: 2})
	k := l.Attach(ByKey([32]byte{7}))
	for n := range byte(3) {
		v, e, _ := k.Begin(ID{Caller: [8]byte{n}}, false, true, nil, &sink{})
		if v != Run {
			t.Fatal(v)
		}
		e.Finish(value(0))
		l.Acknowledge([]*Entry{e})
	}
	if v, _, _ := k.Begin(ID{}, true, true, nil, &sink{}); v != Doubtful {
		t.Fatalf("repeat of a forgotten instance's call: verdict %d", v)
	}
	if v, _, _ := k.Begin(ID{Caller: [8]byte{2}}, true, true, nil, &sink{}); v != Gone {
		t.Fatalf("verdict %d", v)
	}
}

func TestForgottenCallersAreInDoubtForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Limits{Callers: 1})
		defer l.Close()
		for n := range byte(2) {
			k := l.Attach(ByInstance([16]byte{n}))
			e, _ := begin(t, k, 1, nil)
			e.Finish(value(0))
			l.Acknowledge([]*Entry{e})
			k.Lost()
		}
		if got := l.Stats().Callers; got != 1 {
			t.Fatalf("%d callers remembered, want 1", got)
		}
		again := l.Attach(ByInstance([16]byte{0}))
		expect(t, again, 1, Doubtful)
		begin(t, again, 2, nil) // a first attempt is not in doubt
		time.Sleep(24 * time.Hour)
		if v, _, _ := l.Attach(ByInstance([16]byte{9})).Begin(id(1), true, true, nil, &sink{}); v != Run {
			t.Fatalf("a day later: verdict %d", v)
		}
	})
}

func TestTotalRangesForgetIdleCallersFirst(t *testing.T) {
	l := New(Limits{TotalRanges: 4})
	idle := l.Attach(ByInstance([16]byte{1}))
	for _, n := range []uint64{1, 3} {
		e, _ := begin(t, idle, n, nil)
		e.Finish(value(0))
		l.Acknowledge([]*Entry{e})
	}
	idle.Lost()
	busy := l.Attach(ByInstance([16]byte{2}))
	for n := range uint64(20) {
		begin(t, busy, 2*n, nil)
	}
	if s := l.Stats(); s.Ranges > 4 || s.Callers != 1 {
		t.Fatalf("%+v", s)
	}
}

// during is a Receiver that does something while it takes the outcome.
type during func()

func (f during) Deliver(*Entry, Outcome) { f() }

func TestLargeOutcomeOnItsWayRefusesNoOtherCall(t *testing.T) {
	l := New(Limits{CallerBytes: 10_000})
	k := l.Attach(ByInstance([16]byte{7}))
	_, e, _ := k.Begin(id(1), false, true, nil, during(func() {
		expect(t, k, 1, Kept)
		begin(t, k, 2, nil)
	}))
	e.Finish(value(20_000))
	if v, _, _ := k.Begin(id(3), false, true, nil, &sink{}); v != Full {
		t.Fatalf("after the delivery: verdict %d, want Full", v)
	}
	_, e, _ = k.Begin(id(2), true, true, nil, &sink{})
	l.Acknowledge([]*Entry{e})

	// Acknowledged before the receiver returned: nothing is charged later.
	l = New(Limits{})
	k = l.Attach(ByInstance([16]byte{7}))
	_, e, _ = k.Begin(id(1), false, true, nil, during(func() { l.Acknowledge([]*Entry{e}) }))
	e.Finish(value(20_000))
	if got := l.Stats().Bytes; got != 0 {
		t.Fatalf("%d bytes charged for nothing", got)
	}
}

func TestCallOfOnceIsNeverAttachedNorKept(t *testing.T) {
	l := New(Limits{})
	first, second := l.Attach(ByInstance([16]byte{7})), l.Attach(ByInstance([16]byte{7}))
	cancelled, s := 0, &sink{}
	v, e := first.BeginOnce(id(1), false, true, CancelFunc(func() { cancelled++ }), s)
	if v != Run {
		t.Fatalf("verdict %d", v)
	}
	again := &sink{}
	for _, repeat := range []bool{false, true} {
		if v, e := second.BeginOnce(id(1), repeat, true, nil, again); v != Running || e != nil {
			t.Fatalf("again: verdict %d", v)
		}
		if v, e, _ := second.Begin(id(1), repeat, true, nil, again); v != Running || e != nil {
			t.Fatalf("by Begin: verdict %d", v)
		}
	}
	if !first.Withdraw(e, s) || cancelled != 1 {
		t.Fatal("the only interest did not count")
	}
	e.Finish(value(100))
	e.Finish(value(100))
	expect(t, first, 1, Gone)
	if v, _ := second.BeginOnce(id(1), true, true, nil, again); v != Gone || again.got != 0 {
		t.Fatalf("after its end: verdict %d, %d outcomes", v, again.got)
	}
	if s := l.Stats(); s.Outcomes != 0 || s.Bytes != 0 || s.Running != 0 {
		t.Fatalf("left: %+v", s)
	}

	kept, own := begin(t, first, 2, nil)
	if v, _ := second.BeginOnce(id(2), true, true, nil, again); v != Running {
		t.Fatalf("of a plain call that runs: verdict %d", v)
	}
	kept.Finish(value(1))
	if v, _ := second.BeginOnce(id(2), true, true, nil, again); v != Gone || own.got != 1 || again.got != 0 {
		t.Fatalf("of a plain call that ended: verdict %d", v)
	}
	expect(t, first, 2, Kept)
}
