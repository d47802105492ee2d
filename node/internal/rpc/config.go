package rpc

import (
	"context"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

// ServerConfig says what a node's Server serves and how much at once. Zero
// values take the defaults named at each field.
type ServerConfig struct {
	// Tree holds the commands. Required.
	Tree *commands.Tree
	// Network is the network's name as handlers see it in their caller.
	Network string
	// Ledger bounds the at-most-once memory.
	Ledger ledger.Limits
	// MaxPerPeer is how many calls of one peer run at once, and how many large
	// ones of one link are received at once. Default 256.
	MaxPerPeer int
	// MaxPerNode is how many calls of all peers run at once. Default 4,096.
	MaxPerNode int
	// QueuePerPeer and QueuePerNode are how many accepted calls wait for a place
	// beside those that run. Default 256 and 4,096; negative is none.
	QueuePerPeer int
	QueuePerNode int
	// BytesPerPeer and BytesPerNode bound the arguments of the calls that run, and
	// again of those that wait. A call that is alone may exceed them. Default 64 and
	// 256 MiB.
	BytesPerPeer int64
	BytesPerNode int64
	// CrowdRate is how many calls a second one link may begin whose peer has 16
	// or more under way while peers with fewer call too. Default 1,000 per CPU;
	// negative is no bound.
	CrowdRate int
	// AssemblyBytes bounds the memory of all messages that arrive as chunks:
	// of calls until their handler has ended, of replies until they are
	// complete. Default 256 MiB.
	AssemblyBytes int64
	// StreamBytes bounds the memory of what came of all streams, both those that
	// peers opened and own ones, and was not read yet. A stream that finds none
	// left fails with RESOURCE_EXHAUSTED. Default 256 MiB.
	StreamBytes int64
	// InlineBudget is how long a handler of a quick command may keep the reader of
	// its link. After that, twice that at most, another goroutine reads on, and the
	// command's calls have goroutines of their own for a while. Default 5 ms;
	// negative runs no handlers on readers.
	InlineBudget time.Duration
	// OnDemote is told of a command that was slow on a reader, and for how long it
	// is not run there. It must not block. Nil tells nobody.
	OnDemote func(cmd *commands.Command, rest time.Duration)
	// Logger gets the end of each link at debug level; nil logs nothing.
	Logger *slog.Logger
	// Serve runs a call whose command was found, on a goroutine of its own, and
	// calls answer exactly once. Nil is commands.Serve, which knows no dry runs:
	// whoever sets Serve must see to Call.DryRun.
	Serve ServeFunc
	// Context, when set, derives the parent of all handlers' contexts, to put
	// values into it.
	Context func(context.Context) context.Context
}

// ServeFunc runs a command for a call, or answers why not.
type ServeFunc func(ctx context.Context, cmd *commands.Command, call *commands.Call, answer func(value []byte, err *commands.Error))

func (c ServerConfig) withDefaults() ServerConfig {
	if c.MaxPerPeer <= 0 {
		c.MaxPerPeer = 256
	}
	if c.MaxPerNode <= 0 {
		c.MaxPerNode = 4096
	}
	if c.QueuePerPeer == 0 {
		c.QueuePerPeer = 256
	}
	if c.QueuePerNode == 0 {
		c.QueuePerNode = 4096
	}
	if c.BytesPerPeer <= 0 {
		c.BytesPerPeer = wire.MaxBig
	}
	if c.BytesPerNode <= 0 {
		c.BytesPerNode = 256 << 20
	}
	if c.CrowdRate == 0 {
		c.CrowdRate = 1000 * runtime.GOMAXPROCS(0)
	}
	if c.InlineBudget == 0 {
		c.InlineBudget = 5 * time.Millisecond
	}
	if c.Serve == nil {
		c.Serve = commands.Serve
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AssemblyBytes <= 0 {
		c.AssemblyBytes = 256 << 20
	}
	if c.StreamBytes <= 0 {
		c.StreamBytes = 256 << 20
	}
	return c
}

// burst is how many calls a link may begin in a row before it pauses.
func (c ServerConfig) burst() int {
	if c.CrowdRate < 0 {
		return math.MaxInt
	}
	return max(1, int(int64(c.CrowdRate)*int64(burstPause)/int64(time.Second)))
}

func (c ServerConfig) gateLimits() gateLimits {
	return gateLimits{
		peerRuns: c.MaxPerPeer, nodeRuns: c.MaxPerNode,
		peerWaits: max(c.QueuePerPeer, 0), nodeWaits: max(c.QueuePerNode, 0),
		peerBytes: c.BytesPerPeer, nodeBytes: c.BytesPerNode,
	}
}

// Timers are the times of the protocol, sections 4 and 6. A field that is not
// positive takes the default named at it.
type Timers struct {
	IdlePing time.Duration // silence before a PING while no call is pending; 30 s
	BusyPing time.Duration // silence before a PING while a call is pending; 1 s
	Suspect  time.Duration // a PONG this late makes pending calls suspect; 1 s
	Dead     time.Duration // a PONG this late ends the link; 4 s
	Stall    time.Duration // a large message that makes no progress for this long ends; 30 s
}

func (t Timers) withDefaults() Timers {
	set := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	set(&t.IdlePing, 30*time.Second)
	set(&t.BusyPing, time.Second)
	set(&t.Suspect, time.Second)
	set(&t.Dead, 4*time.Second)
	set(&t.Stall, 30*time.Second)
	return t
}

// Config is one Conn's.
type Config struct {
	Timers Timers
	// LinkCredit is how many chunk bytes may be under way each way. Default
	// 4 MiB, the protocol's number for a LAN.
	LinkCredit int
	// Traffic counts the messages of this link, beside those of others that were
	// given the same. Nil counts for this link alone.
	Traffic *Traffic
	// OnBye is told of the peer's BYE, once. It is called by the reader and
	// must not block.
	OnBye func(wire.Bye)
	// OnProbe is told that the watchdog waits for a PONG (true), and that it came
	// (false). It must not block and must not call the Conn.
	OnProbe func(waiting bool)
	// OnEnd is told of the first cause of the end as soon as nothing more is
	// read; Run returns later. It must not call Close.
	OnEnd func(cause error)
	// OnMessage gets the messages that are not rpc's, such as GOSSIP. It is
	// called by the reader, must not block, and must copy what it keeps. An
	// error ends the link. Nil ignores them.
	OnMessage func(wire.Message) error
}

func (c Config) withDefaults() Config {
	c.Timers = c.Timers.withDefaults()
	if c.LinkCredit <= 0 {
		c.LinkCredit = wire.LinkCreditLAN
	}
	if c.Traffic == nil {
		c.Traffic = &Traffic{}
	}
	return c
}
