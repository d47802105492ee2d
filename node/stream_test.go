package node

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

type upTo struct {
	N    int `json:"n"`
	Size int `json:"size,omitempty"`
}

// streamers registers one command of each direction, and returns how often the
// handler of "count" began, and how it ended.
func streamers(t *testing.T, n *Node) (begun *atomic.Int64, ended chan error) {
	t.Helper()
	begun, ended = new(atomic.Int64), make(chan error, 100)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(commands.ServerStream(n.Commands(), "count", func(ctx context.Context, in upTo) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) {
			begun.Add(1)
			defer func() { ended <- ctx.Err() }()
			for i := range in.N {
				var v any = i
				if in.Size > 0 {
					v = strings.Repeat(string(rune('a'+i%26)), in.Size)
				}
				if !yield(v, nil) {
					return
				}
			}
		}
	}))
	must(commands.ServerStream(n.Commands(), "tick", func(ctx context.Context, in upTo) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer func() { ended <- ctx.Err() }()
			for i := range in.N {
				if !yield(i, nil) || !sleep(ctx, time.Duration(in.Size)*time.Second) {
					return
				}
			}
		}
	}))
	must(commands.ServerStream(n.Commands(), "fails", func(_ context.Context, in upTo) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range in.N {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, commands.Errorf(commands.OutOfRange, "no more than %d", in.N))
		}
	}))
	must(commands.ClientStream(n.Commands(), "sum", func(_ context.Context, _ struct{}, items iter.Seq2[int, error]) (int, error) {
		total := 0
		for v, err := range items {
			if err != nil {
				return 0, err
			}
			total += v
		}
		return total, nil
	}))
	must(commands.BidiStream(n.Commands(), "double", func(_ context.Context, _ struct{}, items iter.Seq2[int, error]) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for v, err := range items {
				if !yield(2*v, err) {
					return
				}
			}
		}
	}))
	return begun, ended
}

// everyPath runs a test between two nodes on a LAN, through a relay, and for a
// node that calls itself.
func everyPath(t *testing.T, f func(t *testing.T, a *Node, b string, callee *Node), set ...func(*Config)) {
	t.Run("lan", func(t *testing.T) {
		inMesh(t, func(t *testing.T, m *mesh) {
			b := m.start("b", set...)
			f(t, m.start("a", set...), "b", b)
		})
	})
	t.Run("relay", func(t *testing.T) {
		inMesh(t, func(t *testing.T, m *mesh) {
			r := m.relay("relay", m.lan)
			far := func(c *Config) { c.NoLAN, c.Relays = true, []string{r.address()} }
			all := append(set, far)
			b := m.start("b", all...)
			f(t, m.start("a", all...), "b", b)
		})
	})
	t.Run("self", func(t *testing.T) {
		inMesh(t, func(t *testing.T, m *mesh) {
			a := m.start("a", set...)
			f(t, a, "a", a)
		})
	})
}

// read collects the values of a stream and how it ended.
func read[T any](values iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range values {
		if err != nil {
			return all, err
		}
		all = append(all, v)
	}
	return all, nil
}

func upToN(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestStreamsOfEveryDirection(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		ctx := t.Context()
		if all, err := read(InvokeStream[int](ctx, a, b, "count", upTo{N: 1000})); err != nil || !reflect.DeepEqual(all, upToN(1000)) {
			t.Errorf("count: %d values, %v", len(all), err)
		}
		s := a.Stream(ctx, b, "sum")
		if err := SendAll(s, func(yield func(int) bool) {
			for i := range 1000 {
				if !yield(i) {
					return
				}
			}
		}); err != nil {
			t.Error(err)
		}
		reply, err := s.Result()
		var sum int
		if err != nil || reply.Decode(&sum) != nil || sum != 499500 {
			t.Errorf("sum: %d, %v", sum, err)
		}
		want := map[bool]string{true: "self", false: "relay"}[b == "a"]
		if reply.Path.Kind == "lan" {
			want = "lan"
		}
		if reply.Node != b || reply.Path.Kind != want {
			t.Errorf("%+v", reply)
		}
		s = a.Stream(ctx, b, "double")
		for i := range 10 {
			var v int
			if err := s.Send(i); err != nil {
				t.Fatal(err)
			}
			if err := s.Next(&v); err != nil || v != 2*i {
				t.Fatalf("double: %d, %v", v, err)
			}
		}
		if err := errors.Join(s.CloseSend(), s.CloseSend()); err != nil {
			t.Error(err)
		}
		var v int
		if err := s.Next(&v); err != io.EOF {
			t.Errorf("the end: %v", err)
		}
		if _, err := s.Result(); err != nil {
			t.Error(err)
		}
		if err := s.Send(1); err == nil {
			t.Error("a value was sent after the end")
		}
	})
}

func TestAHandlersErrorComesAfterItsValues(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		s := a.Stream(t.Context(), b, "fails", Args(5))
		all, err := read(Values[int](s))
		e := failure(t, err)
		if !reflect.DeepEqual(all, upToN(5)) || e.Code != commands.OutOfRange || e.Executed != commands.ExecutedYes || e.Where != commands.WhereHandler {
			t.Errorf("%v, then %v", all, e)
		}
		if _, again := s.Result(); again != err {
			t.Errorf("the result is %v", again)
		}
		if again, err := read(s.Values()); len(again) != 0 || err != s.err {
			t.Errorf("read again: %v, %v", again, err)
		}
	})
}

func TestStreamsThatCannotBegin(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		begun, _ := streamers(t, callee)
		for _, tc := range []struct {
			target, path string
			args         []any
			code         commands.Code
			where        commands.Where
		}{
			{b, "cuont", nil, commands.NotFound, commands.WhereQueue},
			{b, "count", []any{"x"}, commands.InvalidArgument, commands.WhereHandler},
			{b, "count", []any{func() {}}, commands.InvalidArgument, commands.WhereCaller},
			{b, "a..b", nil, commands.InvalidArgument, commands.WhereCaller},
			{"nobody", "count", nil, commands.NotFound, commands.WherePath},
		} {
			_, err := read(a.Stream(t.Context(), tc.target, tc.path, Args(tc.args...)).Values())
			if e := failure(t, err); e.Code != tc.code || e.Where != tc.where || e.Executed != commands.ExecutedNo {
				t.Errorf("%s %s: %v where %v", tc.target, tc.path, e, e.Where)
			}
		}
		s := a.Stream(t.Context(), b, "a..b")
		if _, err := s.Result(); err == nil || s.Send(1) == nil || s.CloseSend() == nil || s.Close() != nil {
			t.Errorf("%v", err)
		}
		if begun.Load() != 0 {
			t.Errorf("%d handlers began", begun.Load())
		}
	})
}

func TestPlainAndStreamingCommandsTellEachOther(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		begun, _ := streamers(t, callee)
		handle(t, callee, "hello", answer("hi"))
		_, err := a.Call(t.Context(), b, "count", Args(3))
		e := failure(t, err)
		if e.Code != commands.FailedPrecondition || e.Executed != commands.ExecutedNo || e.Details["streams"] != "output" || begun.Load() != 0 {
			t.Errorf("%v %v", e, e.Details)
		}
		s := a.Stream(t.Context(), b, "hello")
		all, err := read(s.Values())
		if err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		if reply, err := s.Result(); err != nil || value(t, reply) != "hi" {
			t.Errorf("%v, %v", reply, err)
		}
	})
}

func TestLargeValuesStream(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		n := 0
		for v, err := range InvokeStream[string](t.Context(), a, b, "count", upTo{N: 3, Size: 2 << 20}) {
			if err != nil || len(v) != 2<<20 || strings.Trim(v, string(rune('a'+n))) != "" {
				t.Fatalf("value %d: %d bytes, %v", n, len(v), err)
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d values", n)
		}
	})
}

func TestASlowReaderHoldsTheHandlerBack(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		var made atomic.Int64
		err := commands.ServerStream(callee.Commands(), "flood", func(context.Context, struct{}) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for yield(make([]byte, 1000), nil) {
					made.Add(1)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		s := a.Stream(t.Context(), b, "flood")
		time.Sleep(time.Minute)
		if n := made.Load(); n < 10 || n > 2000 {
			t.Errorf("%d values of 1,000 bytes were made for a caller that reads none", n)
		}
		wantOK(t, a, b) // others are not held up
		for range 1000 {
			var v []byte
			if err := s.Next(&v); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakingOutOfTheLoopCancelsTheHandler(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		_, ended := streamers(t, callee)
		s := a.Stream(t.Context(), b, "count", Args(1_000_000_000))
		for v, err := range Values[int](s) {
			if err != nil {
				t.Fatal(err)
			}
			if v == 10 {
				break
			}
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context: %v", err)
		}
		_, err := s.Result()
		if e := failure(t, err); e.Code != commands.Cancelled || e.Executed == commands.ExecutedNo {
			t.Errorf("%v", e)
		}
	})
}

func TestTheEndOfTheContextEndsTheStream(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		_, ended := streamers(t, callee)
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		all, err := read(Values[int](a.Stream(ctx, b, "tick", Args(100, 1))))
		if e := failure(t, err); e.Code != commands.DeadlineExceeded || e.Executed == commands.ExecutedNo || len(all) != 4 {
			t.Errorf("%v after %v", e, all)
		}
		if <-ended == nil {
			t.Error("the handler's context lives")
		}
		ctx, cancel = context.WithCancel(t.Context())
		s := a.Stream(ctx, b, "tick", Args(100, 1))
		var v int
		if err := s.Next(&v); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := s.Next(&v); failure(t, err).Code != commands.Cancelled {
			t.Errorf("%v", err)
		}
		if <-ended == nil {
			t.Error("the handler's context lives")
		}
	})
}

func TestAStreamWithoutADeadlineOutlivesTheDefaultTimeout(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		all, err := read(Values[int](a.Stream(t.Context(), b, "tick", Args(10, 600))))
		if err != nil || len(all) != 10 {
			t.Errorf("%v, %v", all, err)
		}
	})
}

func TestAValueThatDoesNotFitIsNamed(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		s := a.Stream(t.Context(), b, "count", Args(300))
		for {
			var v int8
			if err := s.Next(&v); err != nil {
				e := failure(t, err)
				if e.Code != commands.Internal || e.Executed != commands.ExecutedYes || !strings.HasPrefix(e.Message, "item 128: ") {
					t.Errorf("%v", e)
				}
				break
			}
		}
		var v int
		if err := s.Next(&v); err != nil || v != 129 {
			t.Errorf("the next: %d, %v", v, err)
		}
		_ = s.Close()
	})
}

func TestALinkCutInMidStreamGivesAPrefixAndAnError(t *testing.T) {
	for _, how := range []string{"reset", "silence"} {
		t.Run(how, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				ha, hb := m.host("a"), m.host("b")
				a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
				_, ended := streamers(t, b)
				for _, opts := range [][]CallOption{{Args(100, 1)}, {Args(100, 1), Idempotent()}} {
					time.AfterFunc(5500*time.Millisecond, func() {
						if how == "reset" {
							m.world.Reset(ha, hb)
						} else {
							m.world.Partition(ha, hb)
						}
					})
					all, err := read(Values[int](a.Stream(t.Context(), "b", "tick", opts...)))
					e := failure(t, err)
					if e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe || !reflect.DeepEqual(all, upToN(len(all))) || len(all) < 5 || len(all) > 7 {
						t.Errorf("%v after %v", e, all)
					}
					if <-ended == nil {
						t.Error("the handler's context lives")
					}
					m.world.Heal(ha, hb)
					wantOK(t, a, "b")
				}
			})
		})
	}
}

// aging makes sessions age faster, to keep the tests of it short.
func aging(c *Config) {
	c.Timers.Renew, c.Timers.IdleClose, c.Timers.HardEnd = 10*time.Minute, 5*time.Minute, 2*time.Hour
}

func TestAStreamLivesThroughARenewal(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		s := a.Stream(t.Context(), b, "tick", Args(30, 60)) // for half an hour
		var v int
		for i := range 30 {
			if err := s.Next(&v); err != nil || v != i {
				t.Fatalf("after %d values: %v", i, err)
			}
		}
		if err := s.Next(&v); err != io.EOF {
			t.Error(err)
		}
		wantOK(t, a, b)
		if a == callee {
			return
		}
		if dialed := a.Stats().LinksDialed + callee.Stats().LinksDialed; dialed < 3 { // the first, its renewal, and one for the call above
			t.Errorf("%d links in half an hour: nothing was renewed", dialed)
		}
		time.Sleep(time.Minute)
		if links := len(a.Peers()[0].Paths); links != 1 {
			t.Errorf("%d links are left", links)
		}
	}, aging)
}

func TestAStreamEndsWithItsSessionsGreatestAge(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a", aging), m.start("b", aging)
		_, ended := streamers(t, b)
		start := time.Now()
		all, err := read(Values[int](a.Stream(t.Context(), "b", "tick", Args(100, 300))))
		e := failure(t, err)
		if e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe || !strings.Contains(e.Message, "greatest age") {
			t.Errorf("%v after %d values", e, len(all))
		}
		if took := time.Since(start); took < 119*time.Minute || took > 121*time.Minute || !reflect.DeepEqual(all, upToN(len(all))) {
			t.Errorf("it ended after %v and %d values", took, len(all))
		}
		if <-ended == nil {
			t.Error("the handler's context lives")
		}
		wantOK(t, a, "b")
	})
}

func TestShutdownEndsStreams(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		_, ended := streamers(t, callee)
		s := a.Stream(t.Context(), b, "tick", Args(100, 3600))
		var v int
		if err := s.Next(&v); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := callee.Shutdown(context.Background()); err != nil || time.Since(start) > 11*time.Second {
			t.Errorf("%v after %v; want the stream cut off after Timers.Drain", err, time.Since(start))
		}
		if err := s.Next(&v); failure(t, err).Executed == commands.ExecutedNo {
			t.Errorf("%v", err)
		}
		if <-ended == nil {
			t.Error("the handler's context lives")
		}
	})
}

func TestAStreamIsTriedAgainOnlyWhereThatIsSafe(t *testing.T) {
	for _, tc := range []struct {
		name  string
		opts  []CallOption
		write bool
		again bool
	}{
		{"not idempotent", nil, false, false},
		{"idempotent", []CallOption{Idempotent()}, false, true},
		{"idempotent, with a value sent", []CallOption{Idempotent()}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inMesh(t, func(t *testing.T, m *mesh) {
				ha, hb := m.host("a"), m.host("b")
				a, b := m.startOn(ha, "a"), m.startOn(hb, "b")
				var runs atomic.Int64
				handle(t, b, "late", func(ctx context.Context, c *commands.Call) (any, error) { // says nothing at first
					if runs.Add(1) == 1 {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return "second", nil
				})
				s := a.Stream(t.Context(), "b", "late", tc.opts...)
				if tc.write {
					if err := s.Send(1); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				m.world.Reset(ha, hb)
				reply, err := s.Result()
				if tc.again {
					if err != nil || value(t, reply) != "second" {
						t.Errorf("%v, %v", reply, err)
					}
				} else if e := failure(t, err); e.Code != commands.Unavailable || e.Executed != commands.ExecutedMaybe {
					t.Errorf("%v", e)
				}
				synctest.Wait()
				if want := map[bool]int64{true: 2, false: 1}[tc.again]; runs.Load() != want {
					t.Errorf("%d runs", runs.Load())
				}
			})
		})
	}
}

// value is what a reply holds.
func value(t *testing.T, r *Reply) any {
	t.Helper()
	v, err := r.Value()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLargeValuesThatArriveAreBounded(t *testing.T) {
	little := func(c *Config) { c.Limits.StreamBytes = 1 << 20 }
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		streamers(t, callee)
		_, err := read(InvokeStream[string](t.Context(), a, b, "count", upTo{N: 1, Size: 4 << 20}))
		if e := failure(t, err); e.Code != commands.ResourceExhausted || e.Where != commands.WhereCaller || !strings.HasPrefix(e.Message, "item 0: ") {
			t.Errorf("for the caller: %v where %v", e, e.Where)
		}
		s := a.Stream(t.Context(), b, "double")
		_ = s.Send(make([]byte, 4<<20)) // it is cut off
		_, err = read(s.Values())
		if e := failure(t, err); e.Code != commands.ResourceExhausted || e.Where != commands.WhereHandler {
			t.Errorf("for the handler: %v where %v", e, e.Where)
		}
		if refused := a.Stats().StreamItemsRefused; refused != map[bool]uint64{true: 2, false: 1}[a == callee] {
			t.Errorf("%d are counted", refused)
		}
		wantOK(t, a, b)
	}, little)
}

func TestGarbageInsteadOfValuesEndsTheStream(t *testing.T) {
	everyPath(t, func(t *testing.T, a *Node, b string, callee *Node) {
		handle(t, callee, "garbage", func(ctx context.Context, c *commands.Call) (any, error) {
			if _, err := c.Pipe.Write(nil, []byte{1, 7, 1, 0xc1}); err != nil {
				return nil, err
			}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		all, err := read(a.Stream(t.Context(), b, "garbage").Values())
		if e := failure(t, err); e.Code != commands.Internal || e.Where != commands.WherePath || !strings.HasPrefix(e.Message, "item 1: ") || len(all) != 1 {
			t.Errorf("%v, then %v", all, e)
		}
	})
}
