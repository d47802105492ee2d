package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/internal/items"
	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
	"github.com/fernmesh/fernmesh/policy"
	"github.com/fernmesh/fernmesh/relay"
)

// Node is one instance of the mesh. All methods are safe for concurrent use.
//
// Ownership: Start starts every goroutine of the node through spawn, which
// counts them; Shutdown ends them and returns after the last. Sessions end by
// their link or by Shutdown, discovery and the rpc server by Shutdown.
type Node struct {
	cfg        Config
	instance   crypto.InstanceID
	identity   *crypto.Identity
	relays     []relay.Address // configured
	tree       *commands.Tree
	server     *rpc.Server
	chain      rpc.ServeFunc // what a call passes before its command
	items      *items.Budget // of streamed values that arrive for callers here
	gate       *policy.Guard // nil without a policy
	policy     *policyFile   // nil without a file
	roster     *roster
	topics     *topics
	offers     *offers
	events     *events
	ids        *callIDs
	count      *counters
	links      *link.Counters
	replay     *crypto.ReplaySet
	guard      *admission
	made       time.Time
	tallies    *tallies // of each command that was called
	checks     *healthChecks
	known      *KnownPeers
	relayBook  *relayBook // nil where none is kept
	refusalLog seldom
	listeners  listeners
	peerBook   *peerBook
	history    *history
	around     *surroundings
	peers      *peerTable

	ctx       context.Context // of everything the node does by itself
	cancel    context.CancelFunc
	closing   chan struct{} // closed when Shutdown begins
	ended     chan struct{} // closed when the last goroutine has ended
	lostClaim chan string   // a starting node lost its name to that address

	mu        sync.Mutex
	ring      *ring
	ending    bool // Shutdown has parted from everybody
	name      string
	nameTaken time.Time // zero until the name is held
	state     state
	started   time.Time
	disc      *discovery.Service
	listener  net.Listener
	lines     []*line
	learned   []relay.Address // named by other nodes
	wg        sync.WaitGroup  // Add only under mu and while not ending
	troubles  []error         // with files of state
}

type state int

const (
	stateNew state = iota
	stateStarting
	stateRunning
	stateClosing
)

// New checks the configuration and makes a node. Nothing is opened yet but
// files of the state directory; the identity key file is made if need be. Errors are [*ConfigError]
// values, or name the file that could not be read.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, name: cfg.Name, made: time.Now(),
		instance: crypto.NewInstanceID(), tree: commands.NewTree(),
		ids: newCallIDs(), count: &counters{}, links: &link.Counters{},
		replay:  crypto.NewReplaySet(crypto.ReplayEntries),
		closing: make(chan struct{}), ended: make(chan struct{}), lostClaim: make(chan string, 1),
		around: newSurroundings(),
	}
	if n.identity, err = n.openIdentity(); err != nil {
		return nil, err
	}
	if err := cfg.checkOwnPin(n.identity.Public()); err != nil {
		return nil, err
	}
	n.known = newKnownPeers(cfg.stateDir(), cfg.Limits.KnownPeers, n.stateTrouble)
	for _, text := range cfg.Relays {
		a, err := relay.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		n.relays = append(n.relays, a)
	}
	n.openRelayBook()
	n.ring = newRing(cfg.Keys, cfg.Network)
	n.topics = newTopics(cfg.Limits.TopicQueue, cfg.Limits.Subscriptions, n.count)
	n.items = items.NewBudget(cfg.Limits.StreamBytes)
	n.tree.SetStreamMemory(cfg.Limits.StreamBytes)
	n.guard = newAdmission(cfg.Limits, n.count)
	n.events = newEvents(cfg.Limits.EventQueue, n.count)
	n.peers = newPeerTable(&cfg, n.count)
	n.roster = newRoster(n.instance, cfg.Limits.Roster, n.count, n.events)
	n.roster.peers = n.peers
	n.offers = newOffers(&n.cfg)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.tallies = newTallies(cfg.Limits.CommandStats, n.count)
	n.peerBook = newPeerBook(cfg.Limits.Roster, n.count)
	n.history = &history{}
	n.checks = newHealthChecks()
	if err := n.openGate(); err != nil {
		return nil, err
	}
	n.chain = n.newChain()
	n.server = rpc.NewServer(n.serverConfig())
	if err := errors.Join(n.addBuiltins(), n.addTopics()); err != nil {
		return nil, err
	}
	return n, nil
}

// Commands is the tree of commands that others may call. It may be changed at
// any time, also while calls run.
func (n *Node) Commands() *commands.Tree { return n.tree }

// Name is the node's present name: that of its configuration, or the derived
// one if it was renamed. An observer has none.
func (n *Node) Name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name
}

// Network is the network's name.
func (n *Node) Network() string { return n.cfg.Network }

// Instance is the random id of this instance of the node.
func (n *Node) Instance() crypto.InstanceID { return n.instance }

// Identity is the public key that the node proves to its peers.
func (n *Node) Identity() crypto.NodeKey { return n.identity.Public() }

// Addr is the address on which the node listens for links; the zero value if
// it does not listen.
func (n *Node) Addr() netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(n.listener.Addr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return ap
}

// ages returns how long the name is held and how long the node is up.
func (n *Node) ages() (held, up time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.nameTaken.IsZero() {
		held = max(time.Since(n.nameTaken), time.Millisecond) // 0 on the wire means: not taken yet
	}
	return held, time.Since(n.made)
}

// spawn runs f on a goroutine that Shutdown waits for; false means that the
// node is shutting down and f does not run.
func (n *Node) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state == stateClosing {
		return false
	}
	n.wg.Go(f)
	return true
}

// spawnRefusing is spawn for the handshake of a visitor, who is told that the
// node shuts down rather than left without a word, as long as it parts from
// others.
func (n *Node) spawnRefusing(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ending {
		return false
	}
	n.wg.Go(f)
	return true
}

func (n *Node) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}

// usable tells why the node cannot make calls, or nil.
func (n *Node) usable() error {
	_, err := n.standing()
	return err
}

// standing is usable with the node's name.
func (n *Node) standing() (name string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case stateNew:
		return n.name, ErrNotStarted
	case stateClosing:
		return n.name, ErrShutdown
	}
	return n.name, nil
}
