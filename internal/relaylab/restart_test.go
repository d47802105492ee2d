package relaylab_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/node"
)

// rejoinWithin is how long after a relay's return nodes may need to be back (R2).
const rejoinWithin = 5 * time.Second

// TestR2_RelayKilledAndRestarted kills the only relay in the middle of a call:
// the call ends within its time, and once the relay is back, under the same
// identity, so are the nodes.
func TestR2_RelayKilledAndRestarted(t *testing.T) {
	t.Parallel() // it waits most of its time
	s := newSite(t, "lab")
	r := s.relay("relay")
	before := r.address()
	s.serve(s.office, "desk")
	// More than once: what only works after the first start shows here.
	for i := 1; i <= 2; i++ {
		const limit = 15 * time.Second
		call := s.slowCall("desk", 2*time.Second, limit)
		s.awaitRuns("desk", i)
		r.kill()
		r.start()
		back := time.Now()
		if r.address() != before {
			t.Fatalf("after the restart the relay is %q, and was %q", r.address(), before)
		}
		s.want("42", s.home, "call", "desk", "math.add", "a=40", "b=2", "--timeout", "20s")
		took := time.Since(back)
		if took > rejoinWithin {
			t.Errorf("calls work again %v after the relay was back, want at most %v", took, rejoinWithin)
		}
		got := <-call
		t.Logf("calls work again after %v; the call in the middle: %q after %v, %v", took, got.text, got.took, got.err)
		if got.took > limit+time.Second {
			t.Errorf("the call in the middle ended after %v, with a limit of %v", got.took, limit)
		}
		// It may fail, but with a typed error and not by a result that is wrong.
		if exit := (*exec.ExitError)(nil); got.err == nil && got.text != strconv.Itoa(i) || got.err != nil && !errors.As(got.err, &exit) {
			t.Errorf("the call in the middle gave %q, %v; want run %d", got.text, got.err, i)
		}
		s.want(strconv.Itoa(i), s.home, "call", "desk", "count.runs")
	}
}

// TestR2_OneOfTwoRelaysKilled kills, of two relays, the one that a node's calls
// take, in the middle of a call: it ends through the other, having run once.
func TestR2_OneOfTwoRelaysKilled(t *testing.T) {
	t.Parallel() // it waits most of its time
	s := newSite(t, "lab")
	relays := []*relay{s.relay("relay-a"), s.relay("relay-b")}
	s.serve(s.office, "desk")
	n := s.caller("kitchen")
	for i := 1; i <= 2; i++ {
		reply, err := n.Call(t.Context(), "desk", "count.runs")
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(relays, func(r *relay) bool { return strings.Contains(reply.Path.Addr, r.authority()) })
		if at < 0 {
			t.Fatalf("a call took the path %+v, which is no relay's", reply.Path)
		}
		call := slowCallOf(n, "desk", 2*time.Second, 20*time.Second)
		s.awaitRuns("desk", i)
		relays[at].kill()
		if got := <-call; got.err != nil || got.text != strconv.Itoa(i) {
			t.Errorf("with relay %s killed, the call gave %q, %v; want run %d", reply.Path.Addr, got.text, got.err, i)
		} else {
			t.Logf("with %s killed, the call took %v", reply.Path.Addr, got.took)
		}
		s.want(strconv.Itoa(i), s.home, "call", "desk", "count.runs")
		relays[at].start()
		s.awaitRelay("desk", relays[at])
	}
}

// slowCallOf is slowCall by a node of this process, whose path is known.
func slowCallOf(n *node.Node, callee string, runs, limit time.Duration) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		var number int
		reply, err := n.Call(ctx, callee, "count.slowly", node.Kwargs(map[string]any{"seconds": runs.Seconds()}))
		if err == nil {
			err = reply.Decode(&number)
		}
		ended <- outcome{strconv.Itoa(number), err, time.Since(began)}
	}()
	return ended
}

// outcome is how a call in the background ended.
type outcome struct {
	text string
	err  error
	took time.Duration
}

// slowCall starts a call that counts its run and then waits.
func (s *site) slowCall(node string, runs, limit time.Duration) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		began := time.Now()
		text, err := s.run(context.Background(), s.home, "call", node, "count.slowly",
			fmt.Sprintf("seconds=%v", runs.Seconds()), "--timeout", limit.String())
		ended <- outcome{text, err, time.Since(began)}
	}()
	return ended
}

// awaitRuns waits until count.slowly has begun to run as often as said.
func (s *site) awaitRuns(node string, runs int) {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		got, err := s.run(s.t.Context(), s.home, "call", node, "count.runs")
		if err == nil && got == strconv.Itoa(runs) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("count.runs is %q, %v; want %d", got, err, runs)
		}
	}
}

// awaitRelay waits until a node is reached through one relay alone.
func (s *site) awaitRelay(node string, r *relay) {
	s.t.Helper()
	if got, err := s.run(s.t.Context(), s.home, "ping", node, "--relay", r.address(), "--timeout", "10s"); err != nil {
		s.t.Fatalf("through %s: %q, %v", r.address(), got, err)
	}
}
