package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// next is what a caller's interceptor calls.
type next = func(context.Context) (*Reply, error)

func callsWithin(interceptors ...CallInterceptor) func(*Config) {
	return func(c *Config) { c.CallInterceptors = interceptors }
}

func TestCallInterceptorsStandAroundEveryCall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var mu sync.Mutex
		var log []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, args...))
		}
		noting := func(name string) CallInterceptor {
			return func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
				note("%s: %s calls %s %s", name, info.Node.Name(), info.Target, info.Path)
				reply, err := next(ctx)
				if err != nil {
					note("%s: %v", name, err.(*commands.Error).Code)
				} else {
					note("%s: %s by %s", name, reply.Node, reply.Path.Kind)
				}
				return reply, err
			}
		}
		a := m.start("a", callsWithin(noting("outer"), noting("inner")))
		m.start("b")
		took := func() []string {
			mu.Lock()
			defer mu.Unlock()
			out := log
			log = nil
			return out
		}
		wantOK(t, a, "b")
		if got, want := took(), []string{"outer: a calls b __echo__", "inner: a calls b __echo__", "inner: b by lan", "outer: b by lan"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		_, err := Invoke[int](t.Context(), a, "b", "absent", nil)
		if e := failure(t, err); e.Code != commands.NotFound || e.Executed != commands.ExecutedNo {
			t.Errorf("the error of the call came out as %v", err)
		}
		if got, want := took(), []string{"outer: a calls b absent", "inner: a calls b absent", "inner: NOT_FOUND", "outer: NOT_FOUND"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		wantOK(t, a, "a")
		if got := took(); len(got) != 4 || got[3] != "outer: a by self" {
			t.Errorf("%q", got)
		}
		a.Gather(t.Context(), Nodes("a", "b"), "__echo__").All()
		if got := took(); len(got) != 8 {
			t.Errorf("a gather of two: %q; want each member's call", got)
		}
	})
}

func TestACallInterceptorMayReplaceTheContext(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		trace := aTrace(t)
		a := m.start("a", callsWithin(func(ctx context.Context, _ CallInfo, next next) (*Reply, error) {
			return next(commands.WithTrace(context.WithoutCancel(ctx), trace))
		}))
		found := chain(t, 0, m.start("b"))
		start := time.Now()
		if _, err := a.Call(t.Context(), "b", "pass"); err != nil {
			t.Fatal(err)
		}
		got := <-found
		if left := got.deadline.Sub(start); got.trace != trace || left <= 0 || left > DefaultTimeout+5*time.Millisecond {
			t.Errorf("the handler saw %+v; want the trace, and the default timeout in place of the deadline that was taken away", got)
		}
	})
}

func TestErrorsOfCallInterceptors(t *testing.T) {
	var plain = errors.New("not today")
	inMesh(t, func(t *testing.T, m *mesh) {
		var act CallInterceptor
		type nested struct{}
		a := m.start("a", callsWithin(func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
			if ctx.Value(nested{}) != nil {
				return next(ctx)
			}
			return act(ctx, info, next)
		}))
		b := m.start("b")
		handle(t, b, "refuse", func(context.Context, *commands.Call) (any, error) {
			return nil, &commands.Error{Code: commands.Aborted, Executed: commands.ExecutedMaybe}
		})
		ran := 0
		handle(t, b, "run", func(context.Context, *commands.Call) (any, error) { ran++; return ran, nil })
		for _, test := range []struct {
			what     string
			act      CallInterceptor
			code     commands.Code
			executed commands.Executed
			where    commands.Where
		}{
			{"a plain refusal", func(context.Context, CallInfo, next) (*Reply, error) { return nil, plain },
				commands.Unknown, commands.ExecutedNo, commands.WhereCaller},
			{"a refusal with a code", func(context.Context, CallInfo, next) (*Reply, error) {
				return nil, commands.Errorf(commands.ResourceExhausted, "slowly")
			}, commands.ResourceExhausted, commands.ExecutedNo, commands.WhereCaller},
			{"an error after the call", func(ctx context.Context, _ CallInfo, next next) (*Reply, error) {
				_, err := next(ctx)
				return nil, errors.Join(err, plain)
			}, commands.Unknown, commands.ExecutedYes, commands.WhereCaller},
			{"a wrapped error of the call", func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				_, err := next(ctx)
				return nil, fmt.Errorf("wrapped: %w", err)
			}, commands.Cancelled, commands.ExecutedNo, commands.WhereCaller},
			{"a wrapped error of the callee", func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
				_, err := info.Node.Call(context.WithValue(ctx, nested{}, true), "b", "refuse")
				return nil, fmt.Errorf("wrapped: %w", err)
			}, commands.Aborted, commands.ExecutedMaybe, commands.WhereHandler},
			{"neither reply nor error", func(context.Context, CallInfo, next) (*Reply, error) { return nil, nil },
				commands.Internal, commands.ExecutedNo, commands.WhereCaller},
		} {
			act = test.act
			_, err := a.Call(t.Context(), "b", "run")
			if e := failure(t, err); e.Code != test.code || e.Executed != test.executed || e.Where != test.where {
				t.Errorf("%s: %v, executed %v, where %v", test.what, err, e.Executed, e.Where)
			}
		}
		if ran != 1 {
			t.Errorf("the command ran %d times; want once, for the error after the call", ran)
		}
		act = func(ctx context.Context, _ CallInfo, next next) (*Reply, error) {
			if _, err := next(ctx); err != nil {
				return nil, err
			}
			return next(ctx)
		}
		wantValue(t, a, "b", "run", int64(3)) // each next is a call of its own
	})
}

func TestAGatherOutlivesItsInterceptors(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a", callsWithin(func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
			switch info.Target {
			case "b":
				panic("no b")
			case "c":
				runtime.Goexit()
			}
			return next(ctx)
		}))
		for _, name := range []string{"b", "c", "d"} {
			m.start(name)
		}
		all := a.Gather(t.Context(), Nodes("b", "c", "d"), "__echo__").All()
		if len(all) != 3 || all["d"].Err != nil {
			t.Errorf("%+v", all)
		}
		for _, name := range []string{"b", "c"} {
			if e := failure(t, all[name].Err); e.Code != commands.Internal {
				t.Errorf("%s: %v", name, e)
			}
		}
	})
}
