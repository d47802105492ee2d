package node

import (
	"context"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// byeCode and its values under the names that read well here.
type byeCode = wire.ByeCode

const (
	byeRebooting    = wire.ByeRebooting
	byeBusy         = wire.ByeBusy
	byeNotNeeded    = wire.ByeNotNeeded
	byeNameTaken    = wire.ByeNameTaken
	byeNotAllowed   = wire.ByeNotAllowed
	byeDraining     = wire.ByeDraining
	byeNoService    = wire.ByeNoService
	byeWrongTarget  = wire.ByeWrongTarget
	byeElectionLost = wire.ByeElectionLost
	byeReplaced     = wire.ByeReplaced
)

// linkConfig is what every handshake of this node says and checks.
func (n *Node) linkConfig(keys *ring) link.Config {
	name := n.Name()
	return link.Config{
		Keys: keys.usable, Retired: keys.retired, Name: name, Instance: n.instance, Identity: n.identity,
		Capabilities: func() []byte { return n.capabilities(name) }, Judge: n.judge, Replay: n.replay,
		BulkCipher:       n.cfg.BulkCipher,
		Rekey:            link.Rekey{Frames: uint64(n.cfg.Limits.RekeyFrames)},
		HandshakeTimeout: n.cfg.Timers.Handshake, Counters: n.links, Logger: n.cfg.Logger,
	}
}

func (n *Node) serverConfig() rpc.ServerConfig {
	l := n.cfg.Limits
	return rpc.ServerConfig{
		Tree: n.tree, Network: n.cfg.Network,
		MaxPerPeer: l.HandlersPerPeer, MaxPerNode: l.HandlersPerNode,
		QueuePerPeer: l.QueuePerPeer, QueuePerNode: l.QueuePerNode,
		BytesPerPeer: l.ArgumentBytesPerPeer, BytesPerNode: l.ArgumentBytesPerNode,
		CrowdRate: l.CrowdRate, AssemblyBytes: l.AssemblyBytes, StreamBytes: l.StreamBytes, Logger: n.cfg.Logger,
		InlineBudget: l.InlineBudget, OnDemote: n.commandDemoted,
		Serve:   n.chain,
		Context: func(ctx context.Context) context.Context { return context.WithValue(ctx, nodeKey{}, n) },
	}
}

// commandDemoted tells that a command marked as quick was slow.
func (n *Node) commandDemoted(cmd *commands.Command, rest time.Duration) {
	path := cmd.Path().String()
	n.cfg.Logger.Warn("a command marked as quick was slow and has goroutines of its own for now", "command", path, "for", rest)
	n.events.emit(Event{Kind: CommandDemoted, Reason: "it was slow, and has goroutines of its own for " + rest.String(), Detail: path})
}

type nodeKey struct{}

// FromContext returns the node that runs the handler whose context it is given.
func FromContext(ctx context.Context) (*Node, bool) {
	n, ok := ctx.Value(nodeKey{}).(*Node)
	return n, ok
}

func (n *Node) newConn(s *session) *rpc.Conn {
	t, credit, own := n.cfg.Timers, wire.LinkCreditLAN, n.timersOf(s)
	if s.key.transport == crypto.TransportRelay {
		credit = wire.LinkCreditRelay
	}
	return rpc.New(s.link, n.server, rpc.Config{
		Timers:     rpc.Timers{IdlePing: own.Idle, BusyPing: min(t.BusyPing, own.Idle), Suspect: t.Suspect, Dead: own.Pong},
		LinkCredit: credit,
		Traffic:    &s.record.traffic,
		OnBye:      func(bye wire.Bye) { n.heardBye(s, bye) },
		OnProbe:    s.life.probed,
		OnEnd:      func(err error) { n.linkEnding(s, err) },
		OnMessage:  func(m wire.Message) error { return n.heard(s, m) },
	})
}

// heardBye takes a peer's BYE.
func (n *Node) heardBye(s *session, bye wire.Bye) {
	s.parting.Store(true)
	n.peers.heardBye(s.life, bye)
	s.life.parts(ReasonPeerBye, &rpc.ByeError{Bye: bye})
	if bye.Code == byeRebooting {
		n.roster.leaves(s.peer.Hello.Instance)
	}
	n.roster.reconsider(s, "the other node parted: "+bye.Text)
}

// serve runs a session to its end.
func (n *Node) serve(s *session) {
	observer := s.peer.Capabilities.Observer
	hello := s.peer.Hello
	about := Event{Node: hello.Name, Key: shownKey(hello.NodeKey, hello.HasID), Path: s.info(), Detail: s.peer.Remote}
	if !observer {
		about.Kind, about.Reason = LinkUp, origin(s)
		n.events.emit(about)
	}
	n.gossip(s)
	n.catchUp(s)
	err := s.conn.Run()
	n.peerBook.close(s)
	parting := s.parting.Swap(true)
	if !observer {
		about.Kind, about.Reason, about.Detail = LinkDown, reason(err), reason(err)
		n.events.emit(about)
	}
	n.roster.detach(s, parting, err)
	s.life.end(reasonOf(err), err)
}

// origin says which side made a link.
func origin(s *session) string {
	if s.link.Initiator() {
		return "made by this node"
	}
	return "made by the other node"
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// atOnce is the advice of a BYE that ends one link and not the acquaintance:
// whoever needs another may make it.
const atOnce = time.Millisecond

// part says BYE on a session and lets accepted calls and open streams finish,
// without waiting.
func (n *Node) part(s *session, why parted) {
	if s.parting.Swap(true) {
		return
	}
	s.life.parts(ReasonClean, nil)
	n.roster.reconsider(s, why.text)
	if !n.spawn(func() {
		if why.gone {
			s.conn.Close(errRestarted) // what is pending there will never be answered
			return
		}
		ctx, stop := n.patience(s)
		defer stop()
		_ = s.conn.Bye(ctx, wire.Bye{Code: why.code, Text: why.text, ComeBackAfter: atOnce}) // the link ends either way
	}) {
		s.conn.Close(ErrShutdown)
	}
}

// callSelf runs a command of this very node, without a link.
func (n *Node) callSelf(ctx context.Context, req *request) (*Reply, error) {
	cmd, missing := n.tree.Find(req.path)
	if missing != nil {
		return nil, missing
	}
	value, failed := n.invoke(context.WithValue(ctx, nodeKey{}, n), cmd, n.ownCall(cmd, req))
	if failed != nil {
		return nil, failed
	}
	return &Reply{Node: n.Name(), Path: PathInfo{Kind: pathSelf}, raw: value}, nil
}

// ownCall is a call of this node to itself.
func (n *Node) ownCall(cmd *commands.Command, req *request) *commands.Call {
	return &commands.Call{
		Path:    cmd.Path(),
		Caller:  n.asCaller(),
		Arrived: time.Now(),
		RawArgs: req.args, RawKwargs: req.kwargs, DryRun: req.dryRun,
	}
}
