package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// Every way in which a call can end is counted once, at its end.
func TestCommandStatsCountHowCallsEnd(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		long := strings.Repeat("é", 300)
		fail := map[string]func() (any, error){
			"value":   func() (any, error) { return 1, nil },
			"plain":   func() (any, error) { return nil, errors.New("broken \xff") },
			"coded":   func() (any, error) { return nil, commands.Errorf(commands.OutOfRange, "%s", long) },
			"panic":   func() (any, error) { panic("secret") },
			"goexit":  func() (any, error) { runtime.Goexit(); return nil, nil },
			"unsent":  func() (any, error) { return make(chan int), nil },
			"gone":    func() (any, error) { return nil, context.DeadlineExceeded },
			"nothing": func() (any, error) { return nil, (*commands.Error)(nil) },
		}
		for name, f := range fail {
			handle(t, b, "end."+name, func(context.Context, *commands.Call) (any, error) { return f() })
		}
		if err := commands.Func(b.Commands(), "typed", func(context.Context, struct{ N int }) (int, error) { return 0, nil }); err != nil {
			t.Fatal(err)
		}
		for name := range fail {
			_, _ = a.Call(t.Context(), "b", "end."+name)
			_, _ = b.Call(t.Context(), "b", "end."+name) // of itself: counted too
		}
		_, _ = a.Call(t.Context(), "b", "typed", Args("text"))
		_, _ = a.Call(t.Context(), "b", "no.such")
		stats := b.CommandStats()
		for path, want := range map[string]struct {
			calls, errors uint64
			code          commands.Code
			text          string
		}{
			"end.value":   {2, 0, 0, ""},
			"end.nothing": {2, 0, 0, ""},
			"end.plain":   {2, 2, commands.Unknown, "broken \uFFFD"},
			"end.coded":   {2, 2, commands.OutOfRange, strings.Repeat("é", 100) + "…"},
			"end.panic":   {2, 2, commands.Internal, "internal error, id "},
			"end.goexit":  {2, 2, commands.Internal, "internal error, id "},
			"end.unsent":  {2, 2, commands.Internal, "the command ran, but"},
			"end.gone":    {2, 2, commands.DeadlineExceeded, "context deadline exceeded"},
			"typed":       {1, 1, commands.InvalidArgument, "argument N: expected an integer"},
		} {
			s := stats[path]
			if s.Calls != want.calls || s.Errors != want.errors || s.Running != 0 {
				t.Errorf("%s: %+v, want %d calls, %d errors", path, s, want.calls, want.errors)
			}
			if (s.LastError != nil) != (want.code != 0) {
				t.Errorf("%s: last error %v", path, s.LastError)
			} else if e := s.LastError; e != nil && (e.Code != want.code || !strings.HasPrefix(e.Text, want.text) || !e.Time.Equal(time.Now())) {
				t.Errorf("%s: last error %+v, want %v %q", path, e, want.code, want.text)
			}
		}
		if len(stats) != len(fail)+1 {
			t.Errorf("%d commands, want %d: %v", len(stats), len(fail)+1, stats)
		}
	})
}

func TestCommandStatsKnowWhatRunsAndHowLongItTakes(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		handle(t, b, "wait", func(_ context.Context, c *commands.Call) (any, error) {
			d, err := commands.Arg[time.Duration](c, 0)
			time.Sleep(d)
			return nil, err
		})
		var calls sync.WaitGroup
		wait := func(d time.Duration) {
			calls.Go(func() {
				if _, err := a.Call(t.Context(), "b", "wait", Args(d)); err != nil {
					t.Error(err)
				}
			})
		}
		wait(time.Second)
		synctest.Wait()
		if s := b.CommandStats()["wait"]; s.Running != 1 || s.Calls != 0 || s.Mean != 0 || s.P99 != 0 {
			t.Errorf("while it runs: %+v", s)
		}
		for range 98 {
			wait(10 * time.Millisecond)
		}
		wait(2 * time.Second)
		calls.Wait()
		s := b.CommandStats()["wait"]
		if s.Running != 0 || s.Calls != 100 || s.Mean != (98*10*time.Millisecond+3*time.Second)/100 {
			t.Errorf("after it ran: %+v", s)
		}
		if s.P99 < 875*time.Millisecond || s.P99 > 1125*time.Millisecond {
			t.Errorf("99 of 100 took at most 1s, but p99 is %v", s.P99)
		}
		handle(t, b, "wait", answer(nil), commands.Replace())
		wantValue(t, a, "b", "wait", nil)
		if s := b.CommandStats()["wait"]; s.Calls != 101 {
			t.Errorf("another handler began anew: %+v", s)
		}
	})
}

func TestCommandsBeyondTheLimitShareOneRecord(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", func(c *Config) { c.Limits.CommandStats = 3 })
		for i := range 5 {
			handle(t, b, fmt.Sprint("c", i), answer(nil))
		}
		for range 2 {
			for i := range 5 {
				wantValue(t, b, "b", fmt.Sprint("c", i), nil)
			}
		}
		stats := b.CommandStats()
		if len(stats) != 4 || stats["c2"].Calls != 2 || stats[OtherCommands].Calls != 4 || b.Stats().CommandsUnlisted != 4 {
			t.Errorf("%v, %d unlisted", stats, b.Stats().CommandsUnlisted)
		}
		reply, err := b.Call(t.Context(), "b", "__stats__")
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Commands map[string]struct{ Calls int } `json:"commands"`
			Other    struct {
				Calls   int `json:"calls"`
				Running int `json:"running"`
			} `json:"other"`
			Unlisted int `json:"commands_unlisted"`
		}
		if err := reply.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if len(got.Commands) != 3 || got.Other.Calls != 4 || got.Other.Running != 1 || got.Unlisted != 5 { // __stats__ itself runs
			t.Errorf("__stats__: %+v", got)
		}
	})
}

func TestATallyStaysSmall(t *testing.T) {
	if size := unsafe.Sizeof(tally{}); size > 2<<10 {
		t.Errorf("a tally takes %d bytes", size)
	}
}

// A call is counted before its answer leaves, and dry runs are not calls.
func TestCallsAreCountedBeforeTheyAreAnswered(t *testing.T) {
	tree := commands.NewTree()
	if err := tree.Handle("x", answer(nil)); err != nil {
		t.Fatal(err)
	}
	cmd, _ := tree.Find("x")
	all := newTallies(1, &counters{})
	serve := all.counted(commands.Serve)
	answered := 0
	serve(t.Context(), cmd, &commands.Call{}, func([]byte, *commands.Error) {
		answered++
		if s := all.stats("")["x"]; s.Calls != 1 || s.Running != 0 {
			t.Errorf("when it was answered: %+v", s)
		}
	})
	serve(t.Context(), cmd, &commands.Call{DryRun: true}, func([]byte, *commands.Error) { answered++ })
	if s := all.stats("")["x"]; s.Calls != 1 || answered != 2 {
		t.Errorf("after a dry run: %+v, %d answers", s, answered)
	}
}

// Each time lies within 12.5 % of the middle of its bucket, and buckets are in
// order.
func TestTimeBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(1 << firstOctave); d < 1<<lastOctave; d += max(1, d/61) {
		i := timeBucket(d)
		if off := float64(bucketMiddle(i)-d) / float64(d); off < -0.125 || off > 0.125 {
			t.Fatalf("%v stands for %v", bucketMiddle(i), d)
		}
		if i < last || i > last+1 && last >= 0 {
			t.Fatalf("bucket %d after %d", i, last)
		}
		last = i
	}
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, 1<<firstOctave - 1: 0, 1 << firstOctave: 1, 1<<lastOctave - 1: timeBuckets - 2, 1 << lastOctave: timeBuckets - 1, 1 << 62: timeBuckets - 1} {
		if got := timeBucket(d); got != want {
			t.Errorf("%v: bucket %d, want %d", d, got, want)
		}
	}
}

// The 99th percentile is that of the sorted times, within the error.
func TestP99AgreesWithSortedTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 99, 100, 101, 1000, 12345} {
		one := tally{overall: &recent{}}
		times := make([]time.Duration, n)
		for i := range times {
			times[i] = time.Duration(1<<firstOctave + random.Int64N(1<<(10+random.Int64N(30))))
			one.begin(time.Now())
			one.end(times[i], times[i], nil)
		}
		slices.Sort(times)
		want, got := times[n-n/100-1], one.stat().P99
		if off := float64(got-want) / float64(want); off < -0.125 || off > 0.125 {
			t.Errorf("of %d times: %v, want %v", n, got, want)
		}
	}
}

// Readers never see more errors than calls, and nothing is lost.
func TestTallyUnderManyCallers(t *testing.T) {
	all := newTallies(4, &counters{})
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for path, s := range all.stats("") {
				if s.Errors > s.Calls {
					t.Errorf("%q: %+v", path, s)
				}
			}
		}
	})
	for range 4 {
		writers.Go(func() {
			for i := range 5000 {
				one := all.of(fmt.Sprint("c", i%6))
				one.begin(time.Now())
				one.end(time.Duration(i), time.Duration(i), commands.Errorf(commands.Unknown, "x"))
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	var sum uint64
	for _, s := range all.stats("") {
		sum += s.Calls
		if s.Running != 0 || s.Errors != s.Calls {
			t.Errorf("%+v", s)
		}
	}
	if sum != 20000 {
		t.Errorf("%d calls, want 20000", sum)
	}
}

// lastStep is a variable, so that the compiler does not know what follows.
var lastStep rpc.ServeFunc = func(_ context.Context, _ *commands.Command, _ *commands.Call, answer func([]byte, *commands.Error)) {
	answer(nil, nil)
}

// BenchmarkCounted measures what counting adds to a call.
func BenchmarkCounted(b *testing.B) {
	tree := commands.NewTree()
	if err := tree.Handle("lights.kitchen.set", answer(nil)); err != nil {
		b.Fatal(err)
	}
	cmd, _ := tree.Find("lights.kitchen.set")
	counted := newTallies(16, &counters{}).counted(lastStep)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		call, done := &commands.Call{}, func([]byte, *commands.Error) {}
		for pb.Next() {
			counted(context.Background(), cmd, call, done)
		}
	})
}
