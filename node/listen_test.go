package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

func TestDialUnknownService(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		for _, target := range []string{"b", "a"} {
			_, err := a.Dial(t.Context(), target, "http")
			if e := failure(t, err); e.Code != commands.NotFound || e.Executed != commands.ExecutedNo || !strings.Contains(e.Hint, "no service") {
				t.Errorf("%s: %+v", target, e)
			}
		}
		offer(t, b, "ssh")
		offer(t, b, "web page")
		_, err := a.Dial(t.Context(), "b", "http")
		if e := failure(t, err); e.Code != commands.NotFound || e.Hint != "the node listens for: ssh, web page" || !strings.Contains(e.Message, `"b"`) {
			t.Errorf("%+v", e)
		}
		if _, err := a.Dial(t.Context(), "c", "http"); failure(t, err).Where != commands.WherePath {
			t.Errorf("an unknown node: %v", err)
		}
	})
}

func TestServiceNames(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		for _, bad := range []string{"", "a.b", " x", "x ", "\x00", "a..b", strings.Repeat("x", 129), "\xff"} {
			if _, err := a.Listen(bad); failure(t, err).Code != commands.InvalidArgument {
				t.Errorf("Listen(%q): %v", bad, err)
			}
			_, err := a.Dial(t.Context(), "a", bad)
			if e := failure(t, err); e.Code != commands.InvalidArgument || e.Executed != commands.ExecutedNo {
				t.Errorf("Dial(%q): %v", bad, err)
			}
		}
		observer := m.start("cli", func(c *Config) { c.Observer = true })
		if _, err := observer.Listen("http"); failure(t, err).Code != commands.FailedPrecondition {
			t.Errorf("Listen of an observer: %v", err)
		}
	})
}

func TestListenTwice(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		l := offer(t, a, "http")
		if _, err := a.Listen("http"); failure(t, err).Code != commands.AlreadyExists {
			t.Errorf("a second Listen: %v", err)
		}
		if got := a.Commands().List("__dial__"); !slices.Equal(got, []string{"__dial__.http"}) {
			t.Errorf("commands: %q", got)
		}
		if d, err := a.Commands().Describe("__dial__.http"); err != nil || !strings.Contains(d.Doc, "service http") {
			t.Errorf("%+v, %v", d, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
		if got := a.Commands().List(""); slices.Contains(got, "__dial__.http") {
			t.Errorf("the service is still there: %q", got)
		}
		offer(t, a, "http") // again
	})
}

// Closing a listener ends Accept, refuses who waits, and leaves what was accepted.
func TestListenerClose(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		waiting, err := a.Dial(t.Context(), "b", "http")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, commands.Unavailable) {
			t.Errorf("who waited reads: %v", err)
		}
		if _, err := near.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if _, err := a.Dial(t.Context(), "b", "http"); failure(t, err).Code != commands.NotFound {
			t.Errorf("Dial after Close: %v", err)
		}
	})
}

func TestAcceptEndsWithItsListener(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		for _, end := range []func(net.Listener){
			func(l net.Listener) { _ = l.Close() },
			func(net.Listener) { shutdown(t, a) },
		} {
			l := offer(t, a, "http")
			got := make(chan error, 2)
			for range 2 {
				go func() { _, err := l.Accept(); got <- err }()
			}
			synctest.Wait()
			end(l)
			for range 2 {
				if err := <-got; !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
			}
		}
	})
}

// Shutdown ends Accept and refuses the connections that nobody accepted; it does
// not wait for those.
func TestShutdownWithWaitingConnections(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "http")
		if _, err := a.Dial(t.Context(), "b", "http"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		shutdown(t, b)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
	})
}

func TestBacklogIsBounded(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Limits.Backlog = 3 })
		l := offer(t, b, "http")
		var waiting []net.Conn
		for range 3 {
			c, err := a.Dial(t.Context(), "b", "http")
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, c)
		}
		_, err := a.Dial(t.Context(), "b", "http")
		if e := failure(t, err); e.Code != commands.ResourceExhausted || e.Executed != commands.ExecutedNo || b.Stats().BacklogFull != 1 || a.Stats().Dials != 4 {
			t.Errorf("%+v, %+v, %d dials", e, b.Stats().BacklogFull, a.Stats().Dials)
		}
		// Who gives up makes room, who closes in order waits on.
		_ = waiting[0].(*Conn).Abort(errors.New("not needed"))
		_, _ = waiting[1].Write([]byte("second"))
		_ = waiting[1].Close()
		synctest.Wait()
		if _, err := a.Dial(t.Context(), "b", "http"); err != nil {
			t.Errorf("a place is free: %v", err)
		}
		first, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(first); err != nil || string(got) != "second" {
			t.Errorf("the oldest that still waits: %q, %v", got, err)
		}
		_ = first.Close()
	})
}

// The context of Dial does not end the connection, nor does its deadline.
func TestDialContextBoundsTheDialling(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "http")
		for _, target := range []*Node{a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			c, err := target.Dial(ctx, "b", "http")
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			far, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if _, err := c.Write([]byte("late")); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(far, make([]byte, 4)); err != nil {
				t.Error(err)
			}
			_, _ = c.Close(), far.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.Dial(ctx, "nobody", "http")
		if e := failure(t, err); e.Executed != commands.ExecutedNo || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// A peer that takes the call and says nothing does not hold Dial beyond its time.
func TestDialOfASilentCallee(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		ended := make(chan struct{})
		handle(t, b, "__dial__.silent", func(ctx context.Context, _ *commands.Call) (any, error) {
			defer close(ended)
			<-ctx.Done()
			return nil, ctx.Err()
		}, commands.Force())
		_, err := a.Dial(t.Context(), "b", "silent")
		if e := failure(t, err); e.Code != commands.DeadlineExceeded || e.Executed != commands.ExecutedMaybe {
			t.Errorf("%v", err)
		}
		<-ended
	})
}

// A connection whose link breaks gives an error at both ends, and no io.EOF.
func TestConnOverABrokenLink(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		host := m.host("b")
		a, b := m.start("a"), m.startOn(host, "b")
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		for _, c := range []*Conn{near, far} {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		errs := make(chan error, 2)
		for _, c := range []*Conn{near, far} {
			go func() { _, err := io.Copy(io.Discard, c); errs <- err }()
		}
		synctest.Wait()
		host.Crash()
		for range 2 {
			err := <-errs
			var op *net.OpError
			if !errors.As(err, &op) || !strings.Contains(err.Error(), "link") || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, commands.Unavailable) {
			t.Errorf("Write: %v", err)
		}
		host.Up()
	})
}

func TestAbortTellsWhy(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		if err := far.Abort(commands.Errorf(commands.Unavailable, "the printer is off")); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, commands.Unavailable) || !strings.Contains(err.Error(), "the printer is off") {
			t.Errorf("the dialling end reads: %v", err)
		}
		if err := far.Abort(errors.New("again")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Abort: %v", err)
		}
		near, far = connected(t, a, "b", "http", l)
		_, _ = near.Write([]byte("lost"))
		if err := near.Abort(errors.New("changed my mind")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := io.ReadAll(far); !errors.Is(err, commands.Cancelled) {
			t.Errorf("the accepting end reads: %v", err)
		}
	})
}

// Whatever the order in which they are closed, connections leave nothing behind.
func TestConnectionsComeAndGo(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "echo")
		go func() {
			for i := 0; ; i++ {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					if i%3 == 0 {
						return // without a word
					}
					_, _ = io.Copy(c, c)
				}()
			}
		}()
		var clients sync.WaitGroup
		for i := range 60 {
			clients.Go(func() {
				c, err := []*Node{a, b}[i%2].Dial(t.Context(), "b", "echo")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = c.Write([]byte("hello"))
				switch i % 4 {
				case 0:
					_ = c.(*Conn).Abort(errors.New("enough"))
				case 1:
					_ = c.(*Conn).CloseWrite()
					_, _ = io.ReadAll(c)
				}
				_ = c.Close()
			})
		}
		clients.Wait()
		synctest.Wait()
		streams := 0
		for _, s := range append(a.roster.all(), b.roster.all()...) {
			streams += s.conn.Streams()
		}
		if running := b.server.Stats().Running; running != 0 || streams != 0 {
			t.Errorf("%d handlers and %d streams are left", running, streams)
		}
	})
}

// A dialled connection that was closed lets its peer read on for as long as it
// takes, and cuts a peer that writes on.
func TestClosedConnLingers(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		if _, err := near.Write(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
		_ = near.Close()
		time.Sleep(time.Hour)
		if got, err := io.ReadAll(far); err != nil || len(got) != 100<<10 {
			t.Errorf("an hour later: %d bytes, %v", len(got), err)
		}
		start := time.Now()
		var err error
		for err == nil {
			_, err = fmt.Fprintln(far, "heartbeat")
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > 10*time.Second || errors.Is(err, io.EOF) {
			t.Errorf("a peer that writes on: %v after %v", err, took)
		}
	})
}

// The renewal of a session leaves its connections alone; its hard end ends them.
func TestConnLivesAsLongAsItsSession(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		brief := func(c *Config) { c.Timers.Renew, c.Timers.HardEnd = 5*time.Minute, time.Hour }
		a, b := m.start("a", brief), m.start("b", brief)
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		go func() { _, _ = io.Copy(far, far) }()
		start := time.Now()
		for {
			_, err := near.Write([]byte("x"))
			if err == nil {
				_, err = io.ReadFull(near, make([]byte, 1))
			}
			if err != nil {
				if took := time.Since(start); took < time.Hour || took > 62*time.Minute || !errors.Is(err, commands.Unavailable) {
					t.Errorf("it ended after %v: %v", took, err)
				}
				return
			}
			time.Sleep(time.Minute)
		}
	})
}

// Shutdown waits for accepted connections as for other calls, and ends them when
// its context does.
func TestShutdownWithOpenConnections(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a := m.start("a")
		b, err := New(m.config("b", m.host("b")))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := offer(t, b, "http")
		near, far := connected(t, a, "b", "http", l)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go func() {
			time.Sleep(2 * time.Second)
			if _, err := near.Write([]byte("still here")); err != nil {
				t.Error(err)
			}
		}()
		start := time.Now()
		if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		if _, err := io.ReadAll(near); err == nil {
			t.Error("the dialling end takes a shutdown for the end of the stream")
		}
		if _, err := far.Write([]byte("x")); err == nil {
			t.Error("the accepting end still writes")
		}
	})
}

// The command behind a service is a stream only; others may see and list it.
func TestServiceIsAStream(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		offer(t, b, "http")
		_, err := a.Call(t.Context(), "b", "__dial__.http")
		if e := failure(t, err); e.Code != commands.InvalidArgument || e.Executed != commands.ExecutedNo {
			t.Errorf("a plain call: %v", err)
		}
		reply, err := a.Call(t.Context(), "b", "__list_commands__", Args("__dial__"))
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		if err := reply.Decode(&paths); err != nil || !slices.Equal(paths, []string{"__dial__.http"}) {
			t.Errorf("%q, %v", paths, err)
		}
	})
}
