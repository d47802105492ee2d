package node

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// CommandStat is what a node counted of one of its commands since it was made.
// Nothing resets it, also not another handler at the same path.
type CommandStat struct {
	// Calls counts calls that ended, with a value or an error; a stream is one
	// call and counts when it ends. Calls that only asked whether they would
	// run are not counted.
	Calls uint64
	// Errors counts those of Calls that ended with an error: of the handler, a
	// panic included, or of what stands before it, such as refused arguments.
	Errors uint64
	// Running is how many calls are under way now.
	Running int
	// Total is the time of all Calls together.
	Total time.Duration
	// Mean is the mean time from a call's start to its end, P99 the time that 99
	// of 100 calls did not exceed, within 12.5 %. Times below 1 µs are told
	// apart no further, nor are those above 19 h. Zero without calls.
	Mean, P99 time.Duration
	// Recent is about the last calls only.
	Recent Recent
	// LastError is the latest error, nil if there was none. It must not be changed.
	LastError *CommandError
}

// CommandError is an error that a command ended with.
type CommandError struct {
	Code commands.Code
	Text string // as the caller got it, the first 200 bytes
	Time time.Time
}

// OtherCommands is the key of [Node.CommandStats] under which all commands
// beyond Limits.CommandStats are counted together. No command has this path.
const OtherCommands = ""

// CommandStats returns figures for each command that was called, by path. A
// command that was called and then removed stays.
func (n *Node) CommandStats() map[string]CommandStat { return n.tallies.stats("") }

// tallies holds one tally per command that was called, up to a limit, and one
// for all others.
type tallies struct {
	most   int
	count  *counters
	other  tally
	recent recent // of all commands

	mu  sync.RWMutex // never held while a command runs
	all map[string]*tally
}

func newTallies(most int, count *counters) *tallies {
	t := &tallies{most: most, count: count, all: map[string]*tally{}}
	t.other.overall = &t.recent
	return t
}

// counted counts each call of a command and how it ended. What later steps
// refuse is an error of the command too.
func (t *tallies) counted(next rpc.ServeFunc) rpc.ServeFunc {
	return func(ctx context.Context, cmd *commands.Command, c *commands.Call, answer func([]byte, *commands.Error)) {
		if c.DryRun {
			next(ctx, cmd, c, answer)
			return
		}
		one := t.of(cmd.Path().String())
		start := time.Now()
		if c.Arrived.IsZero() {
			c.Arrived = start
		}
		waited := start.Sub(c.Arrived)
		one.begin(c.Arrived)
		next(ctx, cmd, c, func(value []byte, err *commands.Error) {
			response := time.Since(c.Arrived)
			one.end(response, response-waited, err) // before the answer, so that who has it finds it counted
			answer(value, err)
		})
	}
}

// of returns the tally of a command.
func (t *tallies) of(path string) *tally {
	t.mu.RLock()
	one := t.all[path]
	t.mu.RUnlock()
	if one == nil {
		one = t.add(path)
	}
	if one == &t.other {
		t.count.CommandsUnlisted.Add(1)
	}
	return one
}

func (t *tallies) add(path string) *tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one := t.all[path]; one != nil {
		return one
	}
	if len(t.all) >= t.most {
		return &t.other
	}
	one := &tally{overall: &t.recent}
	t.all[path] = one
	return one
}

// stats reads the tallies of the commands at and below prefix, or of all and
// the common one if it is empty.
func (t *tallies) stats(prefix string) map[string]CommandStat {
	t.mu.RLock()
	found := make(map[string]*tally)
	for path, one := range t.all {
		if prefix == "" || path == prefix || strings.HasPrefix(path, prefix) && path[len(prefix)] == '.' {
			found[path] = one
		}
	}
	t.mu.RUnlock()
	stats := make(map[string]CommandStat, len(found)+1)
	for path, one := range found {
		stats[path] = one.stat()
	}
	if other := t.other.stat(); prefix == "" && (other.Calls > 0 || other.Running > 0) {
		stats[OtherCommands] = other
	}
	return stats
}
