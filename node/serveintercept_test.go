package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

// nextServe is what a handler's interceptor calls.
type nextServe = func(context.Context) ([]byte, error)

func servesWithin(interceptors ...ServeInterceptor) func(*Config) {
	return func(c *Config) { c.ServeInterceptors = interceptors }
}

// badly are handlers that end in the ways in which one may.
func badly(t *testing.T, n *Node) {
	t.Helper()
	handle(t, n, "answer", answer("fine"))
	handle(t, n, "panic", func(context.Context, *commands.Call) (any, error) { panic("oh") })
	handle(t, n, "goexit", func(context.Context, *commands.Call) (any, error) { runtime.Goexit(); return nil, nil })
	handle(t, n, "refuse", func(context.Context, *commands.Call) (any, error) {
		return nil, commands.Errorf(commands.Aborted, "again").DidNotRun()
	})
}

func TestServeInterceptorsSeeEveryOutcome(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		log := make(chan string, 8)
		noting := func(name string) ServeInterceptor {
			return func(ctx context.Context, c *commands.Call, cmd *commands.Command, next nextServe) ([]byte, error) {
				log <- fmt.Sprintf("%s: %s by %s", name, cmd.Path(), c.Caller.Name)
				value, err := next(ctx)
				var text string
				if err == nil {
					err = commands.DecodeValue(value, &text)
				}
				log <- fmt.Sprintf("%s: %q %v", name, text, err)
				return value, err
			}
		}
		a, b := m.start("a"), m.start("b", servesWithin(noting("outer"), noting("inner")))
		badly(t, b)
		for _, test := range []struct {
			path string
			code commands.Code
			ran  commands.Executed
		}{
			{"answer", 0, commands.ExecutedYes}, {"panic", commands.Internal, commands.ExecutedYes},
			{"goexit", commands.Internal, commands.ExecutedYes}, {"refuse", commands.Aborted, commands.ExecutedNo},
		} {
			for _, caller := range []*Node{a, b} {
				reply, err := caller.Call(t.Context(), "b", test.path)
				outcome := fmt.Sprintf("%q %v", "", err)
				if err == nil {
					v, _ := reply.Value()
					outcome = fmt.Sprintf("%q %v", v, nil)
				} else if e := failure(t, err); e.Code != test.code || e.Executed != test.ran || e.Where != commands.WhereHandler {
					t.Errorf("%s: %v, executed %v", test.path, err, e.Executed)
				}
				got := []string{<-log, <-log, <-log, <-log}
				at := test.path + " by " + caller.Name()
				if want := []string{"outer: " + at, "inner: " + at, "inner: " + outcome, "outer: " + outcome}; !slices.Equal(got, want) {
					t.Errorf("%s saw %q; want %q", caller.Name(), got, want)
				}
			}
		}
		if _, err := a.Call(t.Context(), "b", "absent"); err == nil || len(log) != 0 {
			t.Errorf("a call of no command: %v, seen %d times", err, len(log))
		}
	})
}

func TestWhatServeInterceptorsMakeOfACall(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		plain := errors.New("not today")
		a := m.start("a")
		for _, test := range []struct {
			what string
			act  ServeInterceptor
			path string
			code commands.Code // 0 = the value nil
			ran  commands.Executed
			runs bool
		}{
			{"refusal", func(context.Context, *commands.Call, *commands.Command, nextServe) ([]byte, error) {
				return nil, commands.Errorf(commands.PermissionDenied, "not you")
			}, "answer", commands.PermissionDenied, commands.ExecutedNo, false},
			{"unavailable is not tried again", func(context.Context, *commands.Call, *commands.Command, nextServe) ([]byte, error) {
				return nil, commands.Errorf(commands.Unavailable, "later")
			}, "answer", commands.Unavailable, commands.ExecutedNo, false},
			{"plain refusal", func(context.Context, *commands.Call, *commands.Command, nextServe) ([]byte, error) { return nil, plain },
				"answer", commands.Unknown, commands.ExecutedNo, false},
			{"panic before", func(context.Context, *commands.Call, *commands.Command, nextServe) ([]byte, error) { panic("before") },
				"answer", commands.Internal, commands.ExecutedNo, false},
			{"goexit before", func(context.Context, *commands.Call, *commands.Command, nextServe) ([]byte, error) {
				runtime.Goexit()
				return nil, nil
			}, "answer", commands.Internal, commands.ExecutedNo, false},
			{"panic after", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, _ = next(ctx)
				panic("after")
			}, "answer", commands.Internal, commands.ExecutedYes, true},
			{"panic after a refusal", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, _ = next(ctx)
				panic("after")
			}, "refuse", commands.Internal, commands.ExecutedNo, true},
			{"other error", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, err := next(ctx)
				return nil, errors.Join(plain, err)
			}, "answer", commands.Unknown, commands.ExecutedYes, true},
			{"wrapped error", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, err := next(ctx)
				return nil, fmt.Errorf("so: %w", err)
			}, "refuse", commands.Aborted, commands.ExecutedNo, true},
			{"error taken away", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, _ = next(ctx)
				return commands.EncodeValue(nil)
			}, "refuse", 0, 0, true},
			{"value left out", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, err := next(ctx)
				return nil, err
			}, "answer", 0, 0, true},
			{"bad value", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, err := next(ctx)
				return []byte{0xc1}, err
			}, "answer", commands.Internal, commands.ExecutedYes, true},
			{"second run", func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				_, _ = next(ctx)
				return next(ctx)
			}, "answer", commands.Internal, commands.ExecutedYes, true},
		} {
			runs := 0
			counting := func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
				runs++
				return next(ctx)
			}
			n := m.start("b", servesWithin(test.act, counting))
			badly(t, n)
			for _, caller := range []*Node{a, n} {
				runs = 0
				reply, err := caller.Call(t.Context(), "b", test.path)
				if test.code == 0 {
					if err != nil {
						t.Errorf("%s: %v", test.what, err)
						continue
					}
					if v, err := reply.Value(); v != nil || err != nil {
						t.Errorf("%s: %v, %v", test.what, v, err)
					}
				} else if e := failure(t, err); e.Code != test.code || e.Executed != test.ran || e.Where != commands.WhereHandler {
					t.Errorf("%s: %v, executed %v, where %v", test.what, err, e.Executed, e.Where)
				}
				if (runs > 0) != test.runs {
					t.Errorf("%s: the rest of the chain began %d times", test.what, runs)
				}
			}
			shutdown(t, n)
		}
	})
}

func TestAServeInterceptorMayReplaceTheContext(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		type key struct{}
		a := m.start("a")
		b := m.start("b", servesWithin(func(ctx context.Context, _ *commands.Call, _ *commands.Command, next nextServe) ([]byte, error) {
			trace, _ := commands.TraceOf(ctx)
			return next(context.WithValue(ctx, key{}, "for "+trace.String()))
		}))
		handle(t, b, "value", func(ctx context.Context, _ *commands.Call) (any, error) { return ctx.Value(key{}), nil })
		trace := aTrace(t)
		reply, err := a.Call(commands.WithTrace(t.Context(), trace), "b", "value")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := reply.Value(); v != "for "+trace.String() || err != nil {
			t.Errorf("%v, %v; want what the interceptor put in, which saw the caller's trace", v, err)
		}
	})
}
