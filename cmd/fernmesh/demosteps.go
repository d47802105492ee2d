package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// step is one row of the demo's table: a method of demo that makes a call and
// returns an error if the outcome is not what it should be.
type step struct {
	what   string
	target string
	run    func(d *demo, ctx context.Context, target string) (outcome, error)
}

// outcome is what a step shows: its result in short, the path, and the time
// from the call to its answer.
type outcome struct {
	result string
	path   string
	took   time.Duration
}

// row is a step that was run; a problem means that it did not go as it should.
type row struct {
	step
	outcome
	problem error
}

var demoSteps = []step{
	{"echo, any value", "garden", (*demo).echo},
	{"typed command", "kitchen", (*demo).typed},
	{"wrong argument", "kitchen", (*demo).wrongArgument},
	{"unknown command", "cellar", (*demo).unknownCommand},
	{"command that fails", "garden", (*demo).failure},
	{"denied by a policy", demoGuarded, (*demo).denied},
	{"asked whether it would run", demoHarbour, (*demo).dryRun},
	{"command too slow", "cellar", (*demo).tooSlow},
	{"gather from everyone", "*", (*demo).gatherAll},
	{"gather, one is enough", "cellar,garden,kitchen", (*demo).firstOf},
	{"any member of a service", "any(thermostat)", (*demo).anyMember},
	{"10 MiB there and back", "cellar", (*demo).large},
	{"what nodes counted; health", "*", (*demo).introspect},
	{"streams both ways", "garden", (*demo).stream},
	{"publish and subscribe", "news.fish", (*demo).topic},
	{"more calls than places", "busy", (*demo).overload},
	{"one trace over two calls", "desk", (*demo).traced},
	{"stranger with another key", "kitchen", (*demo).wrongKey},
	{"through a relay", "island", (*demo).throughRelay},
	{"gather through a relay", "island,tower", (*demo).gatherFar},
	{"HTTP through Dial and expose", "market", (*demo).throughDial},
	{"LAN silent in mid-call", demoHarbour, (*demo).silentLAN},
	{"one call over two paths", demoHarbour, (*demo).hedged},
	{"a node comes and goes", demoGuest, (*demo).watchGuest},
}

func (d *demo) runSteps(ctx context.Context) []row {
	var rows []row
	for _, s := range demoSteps {
		if ctx.Err() != nil {
			break
		}
		o, err := s.run(d, ctx, s.target)
		rows = append(rows, row{s, o, err})
	}
	return rows
}

// report prints the table and returns how many rows are not as expected.
func (d *demo) report(asJSON bool, rows []row) (failed int, err error) {
	list := []any{}
	t := newTable(d.out, "WHAT", "NODE", "PATH", "ROUND TRIP", "RESULT", "AS EXPECTED")
	for _, r := range rows {
		verdict := "ok"
		if r.problem != nil {
			failed++
			verdict = "NO: " + r.problem.Error()
		}
		t.row(r.what, r.target, r.path, milliseconds(r.took), r.result, verdict)
		list = append(list, map[string]any{
			"what": r.what, "node": r.target, "path": r.path, "ms": inMilliseconds(r.took), "result": r.result, "ok": r.problem == nil,
		})
	}
	if asJSON {
		return failed, d.printJSON(list)
	}
	return failed, t.end()
}

// answered is the outcome of a call that gave a value.
func answered(r *node.Reply, result string) outcome {
	return outcome{result, pathText(r.Path), r.Took}
}

func (d *demo) echo(ctx context.Context, target string) (outcome, error) {
	sent := []any{"grüße", int64(1)<<53 + 1, nil, []byte{0, 255}, map[string]any{"deep": []any{true}}}
	reply, err := d.node.Call(ctx, target, "__echo__", node.Args(sent...))
	if err != nil {
		return outcome{}, err
	}
	v, err := reply.Value()
	if err != nil {
		return outcome{}, err
	}
	m, _ := v.(map[string]any)
	if !reflect.DeepEqual(m["args"], any(sent)) {
		return answered(reply, "another value"), errors.New("the value came back changed")
	}
	return answered(reply, "the same value"), nil
}

func (d *demo) typed(ctx context.Context, target string) (outcome, error) {
	reply, err := d.node.Call(ctx, target, "math.add", node.Kwargs(map[string]any{"a": 40, "b": 2}))
	if err != nil {
		return outcome{}, err
	}
	var sum int64
	if err := reply.Decode(&sum); err != nil {
		return outcome{}, err
	}
	if sum != 42 {
		return answered(reply, fmt.Sprint(sum)), errors.New("40 + 2 is 42")
	}
	return answered(reply, "40 + 2 = 42"), nil
}

func (d *demo) wrongArgument(ctx context.Context, target string) (outcome, error) {
	return d.fails(ctx, target, "math.add", commands.InvalidArgument, []commands.Executed{commands.ExecutedNo}, node.Args("forty", 2))
}

func (d *demo) unknownCommand(ctx context.Context, target string) (outcome, error) {
	return d.fails(ctx, target, "math.subtract", commands.NotFound, []commands.Executed{commands.ExecutedNo})
}

func (d *demo) failure(ctx context.Context, target string) (outcome, error) {
	return d.fails(ctx, target, "fail.with", commands.Unknown, []commands.Executed{commands.ExecutedYes}, node.Args("out of flour"))
}

// fails makes a call that must fail with a code, and say one of ran about
// whether the command ran.
func (d *demo) fails(ctx context.Context, target, path string, code commands.Code, ran []commands.Executed, opts ...node.CallOption) (outcome, error) {
	start := time.Now()
	_, err := d.node.Call(ctx, target, path, opts...)
	o := outcome{path: d.pathTo(target), took: time.Since(start)}
	var e *commands.Error
	if !errors.As(err, &e) {
		return o, fmt.Errorf("expected %s, got %w", code, err)
	}
	o.result = fmt.Sprintf("%s, ran: %s", e.Code, e.Executed)
	if e.Code != code || !slices.Contains(ran, e.Executed) {
		return o, fmt.Errorf("expected %s, ran: %s", code, ran[0])
	}
	return o, nil
}

// pathTo is the path that calls to target take now.
func (d *demo) pathTo(target string) string {
	for _, p := range d.node.Peers() {
		if p.Name == target && len(p.Paths) > 0 {
			return pathText(p.Paths[0])
		}
	}
	return "none"
}

func (d *demo) tooSlow(ctx context.Context, target string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	// Both ends watch the deadline. Whoever is first says whether the command
	// ran: the callee knows, the caller does not.
	ran := []commands.Executed{commands.ExecutedYes, commands.ExecutedMaybe}
	return d.fails(ctx, target, "sleep.for", commands.DeadlineExceeded, ran, node.Args(60.0))
}

func (d *demo) gatherAll(ctx context.Context, _ string) (outcome, error) {
	start := time.Now()
	g := d.node.Gather(ctx, node.Everyone, "host.info")
	all := g.All()
	o := outcome{took: time.Since(start), path: commonPath(all)}
	if err := g.Err(); err != nil {
		return o, err
	}
	names := sortedKeys(all)
	o.result = strings.Join(names, ", ")
	if !slices.Equal(names, demoNodes) {
		return o, fmt.Errorf("expected %s", strings.Join(demoNodes, ", "))
	}
	return o, nil
}

// commonPath names the kinds of path that the answers took: "lan x3".
func commonPath(all map[string]node.Outcome) string {
	kinds := map[string]int{}
	for _, o := range all {
		if o.Reply != nil {
			kinds[o.Reply.Path.Kind]++
		}
	}
	var parts []string
	for _, kind := range sortedKeys(kinds) {
		parts = append(parts, fmt.Sprintf("%s x%d", kind, kinds[kind]))
	}
	return strings.Join(parts, ", ")
}

func (d *demo) large(ctx context.Context, target string) (outcome, error) {
	sent := make([]byte, 10<<20)
	_, _ = rand.Read(sent) // never fails
	reply, err := d.node.Call(ctx, target, "__echo__", node.Args(sent))
	if err != nil {
		return outcome{}, err
	}
	var back struct {
		Args   [][]byte       `json:"args"`
		Kwargs map[string]any `json:"kwargs"`
	}
	if err := reply.Decode(&back); err != nil {
		return outcome{}, err
	}
	if len(back.Args) != 1 || !bytes.Equal(back.Args[0], sent) {
		return answered(reply, "other bytes"), errors.New("the bytes came back changed")
	}
	rate := 2 * float64(len(sent)) / (1 << 20) / reply.Took.Seconds()
	return answered(reply, fmt.Sprintf("the same bytes, %.0f MiB/s", rate)), nil
}

// strangerTime is how long the stranger tries.
const strangerTime = 500 * time.Millisecond

// wrongKey connects to a node's port without its key. The stranger must find
// nobody and get no answer, and the node must count a refused handshake.
func (d *demo) wrongKey(ctx context.Context, target string) (outcome, error) {
	before, err := d.refused(ctx, target)
	if err != nil {
		return outcome{}, err
	}
	address := d.addressOf(target)
	stranger, err := d.observer(ctx, node.Config{Keys: crypto.Ring(crypto.GenerateKey()), Peers: []string{address}})
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = stranger.Shutdown(ctx) }() // nothing of it matters any more
	start := time.Now()
	try, cancel := context.WithTimeout(ctx, strangerTime)
	defer cancel()
	_, err = stranger.Call(try, target, "__echo__")
	o := outcome{path: "tried " + address, took: time.Since(start)}
	if err == nil {
		o.result = "an answer"
		return o, errors.New("a stranger was answered")
	}
	o.result = "refused, no answer"
	after, err := d.refused(ctx, target)
	if err != nil {
		return o, err
	}
	if after <= before {
		return o, errors.New("the node counted no refused handshake")
	}
	return o, nil
}

// refused returns how many handshakes the node has refused so far.
func (d *demo) refused(ctx context.Context, target string) (uint64, error) {
	reply, err := d.node.Call(ctx, target, "__stats__")
	if err != nil {
		return 0, err
	}
	v, err := reply.Value()
	if err != nil {
		return 0, err
	}
	stats, _ := v.(map[string]any)
	causes, _ := stats["handshakes_refused"].(map[string]any)
	var sum uint64
	for _, n := range causes {
		switch n := n.(type) {
		case int64:
			sum += uint64(n)
		case uint64:
			sum += n
		}
	}
	return sum, nil
}

// addressOf is where the process of a node listens.
func (d *demo) addressOf(name string) string {
	for _, c := range d.children {
		if c.ready.Name == name {
			return fmt.Sprintf("127.0.0.1:%d", c.ready.Port)
		}
	}
	return ""
}
