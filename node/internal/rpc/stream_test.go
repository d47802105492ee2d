package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
)

// ear and mouth are the ends of a stream as package io wants them.
type ear struct {
	end interface {
		Read(<-chan struct{}, []byte) (int, error)
	}
}

func (e ear) Read(p []byte) (int, error) { return e.end.Read(nil, p) }

type mouth struct {
	end interface {
		Write(<-chan struct{}, []byte) (int, error)
	}
}

func (m mouth) Write(p []byte) (int, error) { return m.end.Write(nil, p) }

// mustOpen opens a stream that is cancelled with the test at the latest.
func mustOpen(t testing.TB, c *Conn, req Request) *Stream {
	t.Helper()
	s, err := c.Open(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Cancel)
	return s
}

// say writes and fails the test on an error.
func say(t testing.TB, w interface {
	Write(<-chan struct{}, []byte) (int, error)
}, b []byte) {
	t.Helper()
	if n, err := w.Write(nil, b); n != len(b) || err != nil {
		t.Fatalf("wrote %d of %d, %v", n, len(b), err)
	}
}

// closed says whether a channel is closed.
func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// repeater sends back what it reads, ends its direction with the caller's, and
// returns how much it was.
func repeater(_ context.Context, c *commands.Call) (any, error) {
	n, err := io.Copy(mouth{c.Pipe}, ear{c.Pipe})
	if err == nil {
		err = c.Pipe.CloseWrite()
	}
	return n, err
}

func TestStreamCarriesBytesBothWaysAtOnce(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	b.handle(t, "repeat", repeater)
	for name, cfg := range map[string]Config{"lan": {}, "relay": {LinkCredit: wire.LinkCreditRelay}} {
		t.Run(name, func(t *testing.T) {
			e := connectTCP(t, a, b, cfg)
			s := mustOpen(t, e.a, request("repeat"))
			sent := random(5<<20 + 7)
			wrote := make(chan error, 1)
			go func() {
				_, err := s.Write(nil, sent)
				err = errors.Join(err, s.CloseWrite())
				if again := s.CloseWrite(); again != ErrEnded { // the handler may have returned meanwhile
					err = errors.Join(err, again)
				}
				wrote <- err
			}()
			got, err := io.ReadAll(ear{s})
			if err := errors.Join(err, <-wrote); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, sent) {
				t.Fatalf("%d bytes came back, and others", len(got))
			}
			var n int
			value, err := s.Result()
			if err := errors.Join(err, commands.DecodeValue(value, &n)); err != nil || n != len(sent) {
				t.Fatalf("result %d, %v", n, err)
			}
			if _, err := s.Write(nil, []byte{1}); !errors.Is(err, ErrEnded) {
				t.Fatalf("a write after the end: %v", err)
			}
			if _, err := s.Read(nil, make([]byte, 1)); err != io.EOF {
				t.Fatalf("a read after the end: %v", err)
			}
			s.Cancel() // harmless
			if again, err := s.Result(); err != nil || !bytes.Equal(again, value) {
				t.Fatalf("the result changed: %v", err)
			}
			checkStreams(t, e)
		})
	}
}

// checkStreams checks that nothing of any stream is left at both ends.
func checkStreams(t testing.TB, e ends) {
	t.Helper()
	for name, c := range map[string]*Conn{"caller": e.a, "callee": e.b} {
		checkIdle(t, name, c)
		if n, held := c.Streams(), c.server.Stats().Streams; n != 0 || held != 0 {
			t.Errorf("%s: %d streams, %d bytes held", name, n, held)
		}
	}
}

func TestPipeIsSetForStreamsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "piped", func(_ context.Context, c *commands.Call) (any, error) { return c.Pipe != nil, nil })
		e := connect(t, a, b, Config{})
		value := func(raw []byte, err error) (piped bool) {
			t.Helper()
			if err := errors.Join(err, commands.DecodeValue(raw, &piped)); err != nil {
				t.Fatal(err)
			}
			return piped
		}
		large := make([]byte, 100<<10)
		if value(mustCall(t, e.a, request("piped")), nil) || value(mustCall(t, e.a, request("piped", large)), nil) {
			t.Error("a plain call has a pipe")
		}
		if !value(mustOpen(t, e.a, request("piped")).Result()) || !value(mustOpen(t, e.a, request("piped", large)).Result()) {
			t.Error("a stream has none")
		}
		synctest.Wait()
		checkStreams(t, e)
	})
}

func TestLargeCallAndLargeReplyShareTheNumberWithTheirStream(t *testing.T) {
	for name, linkCredit := range map[string]int{"lan": wire.LinkCreditLAN, "relay": wire.LinkCreditRelay} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
				b.handle(t, "big", func(_ context.Context, c *commands.Call) (any, error) {
					in, err := io.ReadAll(ear{c.Pipe})
					if err != nil {
						return nil, err
					}
					if n, err := c.Pipe.Write(nil, in); err != nil { // exactly what the caller has room for
						return n, err
					}
					return commands.Raw(c.RawArgs), nil
				})
				e := connect(t, a, b, Config{LinkCredit: linkCredit})
				arg, sent := random(900<<10+1), random(wire.CallCredit)
				s := mustOpen(t, e.a, request("big", arg))
				say(t, s, sent)
				if err := s.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				value, err := s.Result() // although nothing was read
				if err != nil {
					t.Fatal(err)
				}
				var back []any
				if err := commands.DecodeValue(value, &back); err != nil || !bytes.Equal(back[0].([]byte), arg) {
					t.Fatalf("the argument came back changed, %v", err)
				}
				if got, err := io.ReadAll(ear{s}); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("%d bytes of the stream, %v", len(got), err)
				}
				synctest.Wait()
				checkStreams(t, e)
			})
		})
	}
}

func TestEveryEndOfAStreamReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		end := map[string]func(p commands.Pipe) error{
			"value":          func(commands.Pipe) error { return nil },
			"end":            func(p commands.Pipe) error { return p.CloseWrite() },
			"error":          func(commands.Pipe) error { return commands.Errorf(commands.DataLoss, "no more") },
			"large error":    func(commands.Pipe) error { return commands.Errorf(commands.DataLoss, "%0100000d", 1) },
			"end then error": func(p commands.Pipe) error { p.CloseWrite(); return commands.Errorf(commands.DataLoss, "no more") },
		}
		b.handle(t, "end", func(_ context.Context, c *commands.Call) (any, error) {
			name, _ := commands.Arg[string](c, 0)
			if _, err := c.Pipe.Write(nil, []byte("abc")); err != nil {
				return nil, err
			}
			return "result", end[name](c.Pipe)
		})
		e := connect(t, a, b, Config{})
		for name := range end {
			s := mustOpen(t, e.a, request("end", name))
			<-s.Done()
			got, err := io.ReadAll(ear{s})
			if string(got) != "abc" {
				t.Errorf("%s: read %q", name, got)
			}
			if _, again := s.Read(nil, make([]byte, 1)); again != err && !(err == nil && again == io.EOF) {
				t.Errorf("%s: read ends by %v, then by %v", name, err, again)
			}
			_, result := s.Result()
			switch name {
			case "value", "end":
				if err != nil || result != nil {
					t.Errorf("%s: read ends by %v, the call by %v", name, err, result)
				}
			case "end then error":
				wantFail(t, result, commands.DataLoss, commands.ExecutedYes)
				if err != nil {
					t.Errorf("%s: read ends by %v", name, err)
				}
			default:
				wantFail(t, result, commands.DataLoss, commands.ExecutedYes)
				wantFail(t, err, commands.DataLoss, commands.ExecutedYes)
			}
		}
		synctest.Wait()
		checkStreams(t, e)
		if len(e.b.unacked) != 0 || b.server.Stats().Ledger.Outcomes != 0 {
			t.Error("outcomes of streams are kept")
		}
	})
}

func TestBegunTellsOfTheHandlerNotOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		gate := make(chan struct{})
		signs := map[string]func(*commands.Call) error{
			"open":  func(c *commands.Call) error { return errors.Join(c.Pipe.Open(), c.Pipe.Open()) },
			"write": func(c *commands.Call) error { _, err := c.Pipe.Write(nil, []byte{1}); return err },
			"end":   func(c *commands.Call) error { return c.Pipe.CloseWrite() },
		}
		b.handle(t, "sign", func(ctx context.Context, c *commands.Call) (any, error) {
			<-gate
			name, _ := commands.Arg[string](c, 0)
			if sign := signs[name]; sign != nil {
				if err := sign(c); err != nil {
					return nil, err
				}
				<-ctx.Done()
			}
			return nil, nil
		})
		e := connect(t, a, b, Config{})
		for _, name := range []string{"open", "write", "end", "reply", "cancel", "break"} {
			s := mustOpen(t, e.a, request("sign", name))
			synctest.Wait()
			if closed(s.Begun()) || closed(s.Done()) {
				t.Fatalf("%s: begun before the handler", name)
			}
			switch name {
			case "cancel":
				s.Cancel()
			case "break":
				e.netA.Close()
			default:
				gate <- struct{}{}
			}
			synctest.Wait()
			if !closed(s.Begun()) {
				t.Fatalf("%s: not begun", name)
			}
			if name == "open" {
				if _, err := s.Read(closedChannel(), make([]byte, 1)); !errors.Is(err, commands.ErrStopped) {
					t.Fatalf("open: read gives %v", err)
				}
			}
			s.Cancel()
		}
		close(gate)
	})
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestStopEndsAWaitAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		gate := make(chan struct{})
		b.handle(t, "late", func(_ context.Context, c *commands.Call) (any, error) {
			<-gate
			return io.Copy(mouth{c.Pipe}, ear{c.Pipe})
		})
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("late"))
		stop := func() <-chan struct{} {
			c := make(chan struct{})
			time.AfterFunc(time.Second, func() { close(c) })
			return c
		}
		if _, err := s.Read(stop(), make([]byte, 9)); !errors.Is(err, commands.ErrStopped) {
			t.Fatalf("read: %v", err)
		}
		sent := random(wire.CallCredit + 1000)
		n, err := s.Write(stop(), sent)
		if !errors.Is(err, commands.ErrStopped) || n != wire.CallCredit {
			t.Fatalf("wrote %d, %v", n, err)
		}
		if _, err := s.Write(closedChannel(), sent[n:]); !errors.Is(err, commands.ErrStopped) {
			t.Fatal(err)
		}
		close(gate)
		var got []byte
		read := make(chan error, 1)
		go func() { var err error; got, err = io.ReadAll(ear{s}); read <- err }()
		say(t, s, sent[n:])
		if err := errors.Join(s.CloseWrite(), <-read); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d of %d bytes came back, %v", len(got), len(sent), err)
		}
	})
}

// held is a handler that reports how its pipe and its context end.
type held struct {
	began chan struct{}
	ends  chan error
}

func holding(t *testing.T, b *party, path string) *held {
	h := &held{began: make(chan struct{}, 1), ends: make(chan error, 3)}
	b.handle(t, path, func(ctx context.Context, c *commands.Call) (any, error) {
		h.began <- struct{}{}
		var wg sync.WaitGroup
		wg.Go(func() { _, err := io.Copy(io.Discard, ear{c.Pipe}); h.ends <- err })
		wg.Go(func() {
			for {
				if _, err := c.Pipe.Write(nil, make([]byte, 100<<10)); err != nil {
					h.ends <- err
					return
				}
			}
		})
		<-ctx.Done()
		h.ends <- ctx.Err()
		wg.Wait()
		return nil, ctx.Err()
	})
	return h
}

// wait checks that all ended with an error of the code, without waiting.
func (h *held) wait(t *testing.T, code commands.Code) {
	t.Helper()
	synctest.Wait()
	if len(h.ends) != 3 {
		t.Fatalf("%d of 3 have ended", len(h.ends))
	}
	for range 3 {
		err := <-h.ends
		if !errors.Is(err, code) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended by %v", err)
		}
	}
}

func TestCancelReachesBothEndsOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		h := holding(t, b, "hold")
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("hold"))
		<-h.began
		synctest.Wait()
		s.Cancel()
		s.Cancel()
		h.wait(t, commands.Cancelled)
		var abandoned *AbandonedError
		if _, err := s.Result(); !errors.As(err, &abandoned) || !abandoned.Sent {
			t.Errorf("result: %v", err)
		}
		if _, err := s.Read(nil, make([]byte, 1)); !errors.As(err, &abandoned) {
			t.Errorf("read: %v", err)
		}
		if _, err := s.Write(nil, make([]byte, 1)); !errors.Is(err, ErrEnded) {
			t.Errorf("write: %v", err)
		}
		synctest.Wait()
		checkStreams(t, e)
	})
}

func TestCancelledStreamHasNoCleanEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "end", func(ctx context.Context, c *commands.Call) (any, error) {
			_, err := c.Pipe.Write(nil, []byte("abc"))
			err = errors.Join(err, c.Pipe.CloseWrite())
			<-ctx.Done()
			return nil, err
		})
		e := connect(t, a, b, Config{})
		for _, readAll := range []bool{true, false} {
			s := mustOpen(t, e.a, request("end"))
			synctest.Wait()
			if readAll {
				if _, err := io.ReadAll(ear{s}); err != nil {
					t.Fatal(err)
				}
			}
			s.Cancel()
			_, err := s.Read(nil, make([]byte, 9))
			if (err == io.EOF) != readAll {
				t.Errorf("all was read: %v; then %v", readAll, err)
			}
		}
	})
}

func TestCloseWriteEndsAWriteThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "deaf", deaf)
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("deaf"))
		wrote := make(chan error, 1)
		go func() { _, err := s.Write(nil, make([]byte, 1<<20)); wrote <- err }()
		synctest.Wait()
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := <-wrote; !errors.Is(err, ErrWriteClosed) {
			t.Fatal(err)
		}
	})
}

func TestLostLinkEndsAStreamAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		h := holding(t, b, "hold")
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("hold"))
		<-h.began
		synctest.Wait()
		e.netA.Close()
		h.wait(t, commands.Unavailable)
		got, err := io.ReadAll(ear{s}) // what has come is not lost
		wantBroken(t, err, true)
		if len(got) != wire.CallCredit {
			t.Errorf("%d bytes were readable", len(got))
		}
		_, err = s.Result()
		wantBroken(t, err, true)
		if s := b.server.Stats(); s.Running != 0 || s.Ledger.Running != 0 || s.Streams != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDeadlineOfAStreamEndsItsPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		h := holding(t, b, "hold")
		e := connect(t, a, b, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, err := e.a.Open(ctx, request("hold"))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = s.Result()
		wantFail(t, err, commands.DeadlineExceeded, commands.ExecutedYes)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %v", took)
		}
		h.wait(t, commands.DeadlineExceeded)
	})
}

func TestContextOfOpenDoesNotEndTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "repeat", repeater)
		e := connect(t, a, b, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		s, err := e.a.Open(ctx, request("repeat"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		say(t, s, []byte("still here"))
		if n, err := s.Read(nil, make([]byte, 99)); n != 10 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
		s.Cancel()
		if _, err := e.a.Open(ctx, request("repeat")); !errors.Is(err, context.Canceled) {
			t.Fatalf("opened with an ended context: %v", err)
		}
	})
}

func TestIdleStreamStaysOpenForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		gate := make(chan struct{})
		b.handle(t, "late", func(_ context.Context, c *commands.Call) (any, error) {
			<-gate
			return io.Copy(mouth{c.Pipe}, ear{c.Pipe})
		})
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("late", make([]byte, 1<<20)))
		sent := random(2 * wire.CallCredit) // no credit for the second half
		wrote := make(chan error, 1)
		go func() { _, err := s.Write(nil, sent); wrote <- errors.Join(err, s.CloseWrite()) }()
		time.Sleep(24 * time.Hour)
		close(gate)
		got, err := io.ReadAll(ear{s})
		if err := errors.Join(err, <-wrote); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

func TestStreamIsNeverRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "repeat", repeater)
		first, second := connect(t, a, b, Config{}), connect(t, a, b, Config{})
		req := request("repeat")
		s := mustOpen(t, first.a, req)
		synctest.Wait()
		req.Repeat = true
		for range 2 { // by the same number of the call, whatever it is
			_, err := mustOpen(t, second.a, req).Result()
			wantFail(t, err, commands.Unavailable, commands.ExecutedMaybe)
			_, err = second.a.Call(t.Context(), req)
			wantFail(t, err, commands.Unavailable, commands.ExecutedMaybe)
			req.Repeat = false
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Result(); err != nil {
			t.Fatal(err)
		}
		_, err := mustOpen(t, second.a, req).Result()
		wantFail(t, err, commands.Unavailable, commands.ExecutedYes)
		plain := request("echo")
		mustCall(t, first.a, plain)
		_, err = mustOpen(t, first.a, plain).Result() // a value that is kept is not a stream's
		wantFail(t, err, commands.Unavailable, commands.ExecutedYes)
		if s := b.server.Stats(); s.Started != 2 || s.Ledger.Outcomes != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestByeWaitsForStreamsAndCutsThemWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		b.handle(t, "repeat", repeater)
		e := connect(t, a, b, Config{})
		s := mustOpen(t, e.a, request("repeat"))
		synctest.Wait()
		parted := make(chan error, 1)
		go func() { parted <- e.b.Bye(t.Context(), wire.Bye{Code: wire.ByeRebooting}) }()
		time.Sleep(time.Hour)
		if e.a.Streams() != 1 || e.b.Streams() != 1 {
			t.Fatalf("%d and %d streams", e.a.Streams(), e.b.Streams())
		}
		if _, err := e.a.Open(t.Context(), request("repeat")); err == nil {
			t.Fatal("opened on a link that parts")
		}
		say(t, s, []byte("goes on"))
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(ear{s}); err != nil || string(got) != "goes on" {
			t.Fatalf("%q, %v", got, err)
		}
		if err := <-parted; err != nil {
			t.Fatal(err)
		}

		e = connect(t, a, b, Config{})
		s = mustOpen(t, e.a, request("repeat"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := e.a.Bye(ctx, wire.Bye{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		_, err := s.Result()
		wantBroken(t, err, true)
	})
}

func TestBrokenLinkOpensNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
		e := connect(t, a, b, Config{})
		e.a.Close(nil)
		for _, size := range []int{1, 1 << 20} {
			_, err := e.a.Open(t.Context(), request("echo", make([]byte, size)))
			wantBroken(t, err, false)
		}
	})
}
