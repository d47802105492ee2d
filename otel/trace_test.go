package fernotel

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

func handle(t *testing.T, n *node.Node, path string, h commands.Handler) {
	t.Helper()
	if err := n.Commands().Handle(path, h); err != nil {
		t.Fatal(err)
	}
}

// One trace leads from a over b to c, whatever the calls travel over.
func TestOneTraceOverTheLANAndOverARelay(t *testing.T) {
	for _, kind := range []string{"lan", "relay"} {
		t.Run(kind, func(t *testing.T) {
			l := newLab(t)
			set := near
			if kind == "relay" {
				address := l.relay()
				set = func(*testing.T) func(*node.Config) { return far(address) }
			}
			where := set(t)
			a, b, c := l.start("a", where), l.start("b", where), l.start("c", where)
			handle(t, b, "front", func(ctx context.Context, _ *commands.Call) (any, error) {
				_, err := b.Call(ctx, "c", "back")
				return nil, err
			})
			handle(t, c, "back", func(context.Context, *commands.Call) (any, error) { return nil, nil })

			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			ctx, root := l.tracers().Tracer("test").Start(ctx, "root")
			if _, err := a.Call(ctx, "b", "front"); err != nil {
				t.Fatal(err)
			}
			root.End()

			clientA, serverB := l.of("client", "front", "b"), l.of("server", "front", "b")
			clientB, serverC := l.of("client", "back", "c"), l.of("server", "back", "c")
			parent := root.SpanContext()
			for _, s := range []tracetest.SpanStub{clientA, serverB, clientB, serverC} {
				server := s.SpanKind == trace.SpanKindServer
				if s.SpanContext.TraceID() != root.SpanContext().TraceID() || s.Parent.SpanID() != parent.SpanID() || s.Parent.IsRemote() != server {
					t.Errorf("%v %s: trace %v below %v (remote %v); want trace %v below %v",
						s.SpanKind, s.Name, s.SpanContext.TraceID(), s.Parent.SpanID(), s.Parent.IsRemote(), root.SpanContext().TraceID(), parent.SpanID())
				}
				if value(s, "fernmesh.path") != kind || value(s, "rpc.system.name") != "fernmesh" || value(s, "rpc.method") != s.Name ||
					value(s, "rpc.response.status_code") != "OK" || s.Status.Code != codes.Unset {
					t.Errorf("%v %s: %v, status %v", s.SpanKind, s.Name, s.Attributes, s.Status)
				}
				parent = s.SpanContext
			}
			if value(serverB, "client.address") != "a" || value(serverC, "client.address") != "b" {
				t.Errorf("callers: %q and %q", value(serverB, "client.address"), value(serverC, "client.address"))
			}
		})
	}
}

func TestEachMemberOfAGatherHasItsSpan(t *testing.T) {
	l := newLab(t)
	where := near(t)
	a := l.start("a", where)
	l.start("b", where)
	l.start("c", where)
	ctx, root := l.tracers().Tracer("test").Start(t.Context(), "root")
	if err := a.Gather(ctx, node.Nodes("a", "b", "c"), "__echo__").Err(); err != nil {
		t.Fatal(err)
	}
	root.End()
	for _, name := range []string{"a", "b", "c"} {
		client, server := l.of("client", "__echo__", name), l.of("server", "__echo__", name)
		if client.Parent.SpanID() != root.SpanContext().SpanID() || server.Parent.SpanID() != client.SpanContext.SpanID() {
			t.Errorf("%s: the client's span is below %v, the server's below %v", name, client.Parent.SpanID(), server.Parent.SpanID())
		}
	}
}

func TestSpansOfErrors(t *testing.T) {
	l := newLab(t)
	where := near(t)
	a, b := l.start("a", where), l.start("b", where)
	handle(t, b, "panic", func(context.Context, *commands.Call) (any, error) { panic("secret") })
	handle(t, b, "refuse", func(context.Context, *commands.Call) (any, error) {
		return nil, commands.Errorf(commands.PermissionDenied, "not you").DidNotRun()
	})
	for _, test := range []struct {
		path, code, executed, where string
		server                      codes.Code
	}{
		{"panic", "INTERNAL", "yes", "handler", codes.Error},
		{"refuse", "PERMISSION_DENIED", "no", "handler", codes.Unset},
	} {
		if _, err := a.Call(t.Context(), "b", test.path); err == nil {
			t.Fatalf("%s did not fail", test.path)
		}
		client, server := l.of("client", test.path, "b"), l.of("server", test.path, "b")
		for _, s := range []tracetest.SpanStub{client, server} {
			if value(s, "rpc.response.status_code") != test.code || value(s, "fernmesh.executed") != test.executed || value(s, "fernmesh.where") != test.where {
				t.Errorf("%s, %v: %v", test.path, s.SpanKind, s.Attributes)
			}
		}
		if client.Status.Code != codes.Error || value(client, "error.type") != test.code || server.Status.Code != test.server {
			t.Errorf("%s: client %v, server %v", test.path, client.Status, server.Status)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := a.Call(ctx, "nobody", "x"); err == nil {
		t.Fatal("nobody answered")
	}
	if s := l.of("client", "x", "nobody"); value(s, "rpc.response.status_code") != "NOT_FOUND" || value(s, "fernmesh.executed") != "no" {
		t.Errorf("a call of nobody: %v", s.Attributes)
	}
	if _, err := a.Call(t.Context(), "b", "absent"); err == nil {
		t.Fatal("a command that is absent ran")
	}
	for _, s := range l.spans.GetSpans() {
		if s.Name == "absent" && s.SpanKind == trace.SpanKindServer {
			t.Errorf("a server span of no command: %v", s)
		}
	}
}

// What the caller decided about sampling, and what others added to the trace,
// goes to the callee.
func TestSamplingAndStateTravel(t *testing.T) {
	l := newLab(t)
	where := near(t)
	follow := func() Option {
		return WithTracerProvider(l.tracers(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))))
	}
	a, b := l.start("a", where, follow()), l.start("b", where, follow())
	traces := make(chan commands.TraceContext, 2)
	handle(t, b, "traced", func(ctx context.Context, _ *commands.Call) (any, error) {
		inner, _ := commands.TraceOf(ctx)
		traces <- inner
		return nil, nil
	})
	parent, err := commands.ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")
	if err != nil {
		t.Fatal(err)
	}
	parent.State = "congo=t61rcWkgMzE"
	for _, sampled := range []bool{false, true} {
		if sampled {
			parent.Flags |= commands.TraceSampled
		}
		if _, err := a.Call(commands.WithTrace(t.Context(), parent), "b", "traced"); err != nil {
			t.Fatal(err)
		}
		got := <-traces
		if got.TraceID != parent.TraceID || got.Sampled() != sampled || got.State != parent.State {
			t.Errorf("the callee got %v with %q; want %v", got, got.State, parent)
		}
		if spans := l.spans.GetSpans(); (len(spans) == 2) != sampled {
			t.Errorf("sampled %v: %d spans were recorded", sampled, len(spans))
		}
	}
}

// The spans of a stream last until its end, on both sides of a relay.
func TestAStreamIsOneSpanOnEachSide(t *testing.T) {
	l := newLab(t)
	where := far(l.relay())
	a, b := l.start("a", where), l.start("b", where)
	err := b.Commands().HandleStream("echo", func(_ context.Context, _ *commands.Call, s *commands.Stream) (any, error) {
		var v string
		for {
			if err := s.Receive(&v); err != nil {
				return v, nil // the caller has ended its values
			}
			if err := s.Send(v); err != nil {
				return nil, err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	st := a.Stream(ctx, "b", "echo")
	if err := st.Send("hello"); err != nil {
		t.Fatal(err)
	}
	for v, err := range node.Values[string](st) {
		if v != "hello" || err != nil {
			t.Fatalf("%q, %v came back", v, err)
		}
		if spans := l.spans.GetSpans(); len(spans) != 0 {
			t.Errorf("%d spans have ended before the stream", len(spans))
		}
		if err := st.CloseSend(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.Result(); err != nil {
		t.Fatal(err)
	}
	client, server := l.of("client", "echo", "b"), l.of("server", "echo", "b")
	if server.Parent.SpanID() != client.SpanContext.SpanID() || server.SpanContext.TraceID() != client.SpanContext.TraceID() {
		t.Errorf("the server's span is below %v; want %v", server.Parent.SpanID(), client.SpanContext.SpanID())
	}
	for _, s := range []tracetest.SpanStub{client, server} {
		if value(s, "fernmesh.stream") != "true" || value(s, "fernmesh.path") != "relay" || value(s, "rpc.response.status_code") != "OK" {
			t.Errorf("%v: %v", s.SpanKind, s.Attributes)
		}
	}
}
