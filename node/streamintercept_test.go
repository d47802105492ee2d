package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/fernmesh/fernmesh/commands"
)

// count registers "count": values up to the one given, then the trace's id.
func count(t *testing.T, n *Node) {
	t.Helper()
	err := n.Commands().HandleStream("count", func(ctx context.Context, c *commands.Call, s *commands.Stream) (any, error) {
		most, err := commands.Arg[int](c, 0)
		if err != nil {
			return nil, err
		}
		for i := range most {
			if err := s.Send(i); err != nil {
				return nil, err
			}
		}
		trace, _ := commands.TraceOf(ctx)
		return trace.TraceID.String(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pour registers "pour": values without an end.
func pour(t *testing.T, n *Node) {
	t.Helper()
	err := n.Commands().HandleStream("pour", func(_ context.Context, _ *commands.Call, s *commands.Stream) (any, error) {
		for {
			if err := s.Send(make([]byte, 16<<10)); err != nil {
				return nil, err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInterceptorsStandAroundStreams(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		trace := aTrace(t)
		log := make(chan string, 16)
		a := m.start("a", callsWithin(func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
			log <- fmt.Sprintf("a begins %s at %s, stream %v", info.Path, info.Target, info.Stream)
			reply, err := next(commands.WithTrace(ctx, trace))
			log <- fmt.Sprintf("a ends, %v", err)
			return reply, err
		}))
		b := m.start("b", servesWithin(func(ctx context.Context, c *commands.Call, cmd *commands.Command, next nextServe) ([]byte, error) {
			log <- fmt.Sprintf("serves, stream %v", c.Pipe != nil)
			value, err := next(ctx)
			log <- fmt.Sprintf("served, %v", err)
			return value, err
		}))
		count(t, b)
		st := a.Stream(t.Context(), "b", "count", Args(3))
		var got []int
		for v, err := range Values[int](st) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		reply, err := st.Result()
		if err != nil {
			t.Fatal(err)
		}
		if id, err := reply.Value(); id != trace.TraceID.String() || err != nil || len(got) != 3 {
			t.Errorf("%v, then %v, %v; want 3 values and the trace", got, id, err)
		}
		events := []string{<-log, <-log, <-log, <-log}
		if want := []string{"a begins count at b, stream true", "serves, stream true", "served, <nil>", "a ends, <nil>"}; !slices.Equal(events, want) {
			t.Errorf("%q", events)
		}
		st = a.Stream(t.Context(), "b", "count", Args("many"))
		if _, err := st.Result(); failure(t, err).Code != commands.InvalidArgument {
			t.Errorf("the error of the stream came out as %v", err)
		}
	})
}

func TestAnOpenedStreamIsWithinItsInterceptorsUntilItsEnd(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var begun, ended atomic.Int32
		trace := aTrace(t)
		var told error
		a := m.start("a", callsWithin(func(ctx context.Context, info CallInfo, next next) (*Reply, error) {
			begun.Add(1)
			defer ended.Add(1)
			reply, err := next(commands.WithTrace(ctx, trace))
			told = err
			return reply, err
		}))
		b := m.start("b")
		for _, n := range []*Node{a, b} {
			count(t, n)
			pour(t, n)
		}
		for _, target := range []string{"a", "b"} {
			begun.Store(0)
			ended.Store(0)
			req, err := prepare("count", collect([]CallOption{Args(3)}))
			if err != nil {
				t.Fatal(err)
			}
			st, _, err := openAround(t, a, target, req)
			if err != nil {
				t.Fatal(err)
			}
			<-st.Begun()
			if begun.Load() != 1 {
				t.Errorf("%s: %d streams were begun", target, begun.Load())
			}
			all, err := io.ReadAll(readerOf{st})
			value, failed := st.Result()
			if err != nil || failed != nil || len(all) == 0 || len(value) != 34 {
				t.Errorf("%s: %x, %v, then %x, %v", target, all, err, value, failed)
			}
			synctest.Wait()
			if told != nil {
				t.Errorf("%s: the interceptor was told of %v", target, told)
			}
			endless, _, err := openAround(t, a, target, must(prepare("pour", callOptions{})))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if begun.Load() != 2 || ended.Load() != 1 {
				t.Errorf("%s: %d streams were begun, %d ended; want one under way", target, begun.Load(), ended.Load())
			}
			endless.Cancel()
			synctest.Wait()
			if e := failure(t, told); e.Code != commands.Cancelled || e.Executed != commands.ExecutedMaybe {
				t.Errorf("%s: the interceptor was told of %v", target, told)
			}
		}
		if _, _, err := openAround(t, a, "nobody", must(prepare("count", callOptions{}))); failure(t, err).Code != commands.NotFound || begun.Load() != ended.Load() {
			t.Errorf("a stream to nobody: %v, %d begun, %d ended", err, begun.Load(), ended.Load())
		}
	})
}

// readerOf reads what a stream's handler wrote.
type readerOf struct{ callStream }

func (r readerOf) Read(p []byte) (int, error) { return r.callStream.Read(nil, p) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whatever an interceptor does, a stream ends with one outcome, and without one
// it is an error.
func TestStreamsOutliveTheirInterceptors(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		var act CallInterceptor
		a := m.start("a", callsWithin(func(ctx context.Context, info CallInfo, next next) (*Reply, error) { return act(ctx, info, next) }))
		b := m.start("b")
		count(t, b)
		pour(t, b)
		refused := commands.Errorf(commands.PermissionDenied, "not now")
		for _, test := range []struct {
			what string
			act  CallInterceptor
			code commands.Code
		}{
			{"panic", func(context.Context, CallInfo, next) (*Reply, error) { panic("oh") }, commands.Internal},
			{"goexit", func(context.Context, CallInfo, next) (*Reply, error) { runtime.Goexit(); return nil, nil }, commands.Internal},
			{"refusal", func(context.Context, CallInfo, next) (*Reply, error) { return nil, refused }, commands.PermissionDenied},
			{"not begun", func(context.Context, CallInfo, next) (*Reply, error) { return &Reply{}, nil }, commands.Internal},
		} {
			act = test.act
			st := a.Stream(t.Context(), "b", "count", Args(1))
			for v, err := range Values[int](st) {
				if err == nil {
					t.Errorf("%s: a value: %v", test.what, v)
					break
				}
			}
			if _, err := st.Result(); failure(t, err).Code != test.code {
				t.Errorf("%s: %v", test.what, err)
			}
			if _, _, err := openAround(t, a, "b", must(prepare("count", callOptions{}))); failure(t, err).Code != test.code {
				t.Errorf("%s: open: %v", test.what, err)
			}
		}
		act = func(ctx context.Context, _ CallInfo, next next) (*Reply, error) {
			if _, err := next(ctx); err != nil {
				return nil, err
			}
			return next(ctx)
		}
		st := a.Stream(t.Context(), "b", "count", Args(1))
		if _, err := st.Result(); failure(t, err).Code != commands.Internal || !errors.Is(err, errBegunTwice) {
			t.Errorf("a second stream in place of the first: %v", err)
		}
		act = func(ctx context.Context, _ CallInfo, next next) (*Reply, error) {
			return next(context.WithoutCancel(ctx))
		}
		st = a.Stream(t.Context(), "b", "pour")
		for _, err := range Values[[]byte](st) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
		if _, err := st.Result(); failure(t, err).Code != commands.Cancelled {
			t.Errorf("closed: %v", err)
		}
	})
}

// openAround opens a streaming call as Dial does.
func openAround(t *testing.T, n *Node, target string, req *request) (callStream, *session, error) {
	finding, cancel := n.bounded(t.Context())
	defer cancel()
	c := newCalling(t.Context(), n, target, req)
	defer c.to.release()
	return c.openAround(finding, t.Context())
}
