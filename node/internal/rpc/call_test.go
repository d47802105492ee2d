package rpc

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

func TestS4_11_HandlerGetsCallerAndArgumentsAndItsValueReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		a.identity = crypto.NewIdentity()
		var got *commands.Call
		b.handle(t, "look", func(_ context.Context, c *commands.Call) (any, error) {
			got = c
			return []any{int64(1)<<60 + 1, nil, "grün", []byte{0, 255}}, nil
		})
		e := connect(t, a, b, Config{})
		req := request("look", int64(1)<<60, "x")
		req.Kwargs, _ = commands.EncodeKwargs(map[string]any{"level": 3})
		var value []any
		if err := commands.DecodeValue(mustCall(t, e.a, req), &value); err != nil {
			t.Fatal(err)
		}
		if value[0] != int64(1)<<60+1 || value[1] != nil || value[2] != "grün" || !bytes.Equal(value[3].([]byte), []byte{0, 255}) {
			t.Fatalf("value %v", value)
		}
		if !bytes.Equal(got.RawArgs, req.Args) || !bytes.Equal(got.RawKwargs, req.Kwargs) {
			t.Fatalf("arguments % x, % x", got.RawArgs, got.RawKwargs)
		}
		want := commands.Caller{
			Name: "alice", Key: a.identity.Public(), Verified: true, Instance: a.instance,
			Network: "test", Path: "lan",
		}
		if got.Caller != want || got.Path.String() != "look" || got.ID[15] == 0 {
			t.Fatalf("caller %+v, path %v, id %v", got.Caller, got.Path, got.ID)
		}
		mustCall(t, e.b, request("echo", 1)) // and the other way
	})
}

func TestS4_13_FailuresReachTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "fails", func(context.Context, *commands.Call) (any, error) { return nil, errors.New("no luck") })
		b.handle(t, "panics", func(context.Context, *commands.Call) (any, error) { panic("secret") })
		e := connect(t, a, b, Config{})
		call := func(path string) error {
			_, err := e.a.Call(t.Context(), request(path))
			return err
		}
		fail := wantFail(t, call("ecko"), commands.NotFound, commands.ExecutedNo)
		if !strings.Contains(fail.Message, "echo") {
			t.Errorf("no hint at the nearest name: %v", fail)
		}
		fail = wantFail(t, call("fails"), commands.Unknown, commands.ExecutedYes)
		if !strings.Contains(fail.Message, "no luck") {
			t.Errorf("the handler's text is lost: %v", fail)
		}
		fail = wantFail(t, call("panics"), commands.Internal, fail.Executed)
		if strings.Contains(fail.Error(), "secret") {
			t.Errorf("R35: the panic's text travelled: %v", fail)
		}
		mustCall(t, e.a, request("echo"))
	})
}

func TestS4_17_DeadlineTravelsAndBoundsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		ended := make(chan error, 1)
		b.handle(t, "slow", func(ctx context.Context, _ *commands.Call) (any, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
		e := connect(t, a, b, Config{})
		e.netA.(*memory).stall(true) // the caller ends it itself
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := e.a.Call(ctx, request("slow"))
		var abandoned *AbandonedError
		if !errors.As(err, &abandoned) || !abandoned.Sent || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Fatalf("took %v", took)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Fatalf("handler's context: %v", err)
		}
		if took := time.Since(began); took > 501*time.Millisecond {
			t.Fatalf("the handler's context ended after %v", took)
		}
	})
}

func TestEndedContextSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := connect(t, newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{}), Config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := e.a.Call(ctx, request("echo"))
		var abandoned *AbandonedError
		if !errors.As(err, &abandoned) || abandoned.Sent {
			t.Fatalf("got %v", err)
		}
		if e.a.next != 1 {
			t.Fatal("a call was begun")
		}
	})
}

func TestCancelReachesTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		began, ended := make(chan struct{}), make(chan error, 1)
		b.handle(t, "wait", func(ctx context.Context, _ *commands.Call) (any, error) {
			close(began)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		})
		e := connect(t, a, b, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		if _, err := e.a.Call(ctx, request("wait")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatalf("handler: %v", err)
		}
		synctest.Wait()
		if s := b.server.Stats(); s.Cancelled != 1 || s.Running != 0 || e.b.Serving() != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestLimitsRefuseCheaplyAndSayWhen(t *testing.T) {
	for name, cfg := range map[string]ServerConfig{
		"peer": {MaxPerPeer: 2, QueuePerPeer: -1}, "node": {MaxPerNode: 2, QueuePerNode: -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", cfg)
				free := make(chan struct{})
				b.handle(t, "hold", func(context.Context, *commands.Call) (any, error) { <-free; return 1, nil })
				e := connect(t, a, b, Config{})
				held := make(chan error, 2)
				for range 2 {
					go func() { _, err := e.a.Call(t.Context(), request("hold")); held <- err }()
				}
				synctest.Wait()
				_, err := e.a.Call(t.Context(), request("hold"))
				fail := wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
				if fail.RetryAfter <= 0 || fail.Where != commands.WhereQueue {
					t.Errorf("retry after %v, where %v", fail.RetryAfter, fail.Where)
				}
				close(free)
				if err := errors.Join(<-held, <-held); err != nil {
					t.Fatal(err)
				}
				mustCall(t, e.a, request("hold"))
			})
		})
	}
}

func TestDrainingServerRefusesNewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		b.server.Drain()
		_, err := e.a.Call(t.Context(), request("echo"))
		wantFail(t, err, commands.Unavailable, commands.ExecutedNo)
	})
}
