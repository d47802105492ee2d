package relays

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const relayedProtocol = "/comparison/relayed/1.0.0"

// libp2pKind seals between the members too: a circuit cannot do without, so
// its members do more work than those of the other relays.
func libp2pKind() kind {
	return kind{
		name: "libp2p", about: "libp2p circuit relay v2 without limits, TCP with TLS 1.3 and yamux, and TLS between the members again, as circuits have",
		modules: []string{"github.com/libp2p/go-libp2p"}, most: 1 << 20,
		relay: serveCircuits, called: circuitCalled, caller: circuitCaller,
		idle: func(p *contest.Process, _ int) (any, error) {
			h, _, err := reserve(p)
			return h, err
		},
	}
}

func newHost(o ...libp2p.Option) (host.Host, error) {
	return libp2p.New(append(o, libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.DisableMetrics(), libp2p.ResourceManager(&network.NullResourceManager{}))...)
}

func serveCircuits(*contest.Process) (contest.Values, error) {
	h, err := newHost(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	if err != nil {
		return nil, err
	}
	many := circuit.DefaultResources()
	many.MaxReservations, many.MaxReservationsPerIP, many.MaxReservationsPerASN = math.MaxInt32, math.MaxInt32, math.MaxInt32
	if _, err := circuit.New(h, circuit.WithResources(many), circuit.WithInfiniteLimits(),
		circuit.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return true })); err != nil {
		return nil, err
	}
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(h))
	if err != nil {
		return nil, err
	}
	return contest.Values{addressOf: addrs[0].String()}, nil
}

// reserve joins as a member that others may reach.
func reserve(p *contest.Process) (host.Host, *peer.AddrInfo, error) {
	h, err := newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	if err != nil {
		return nil, nil, err
	}
	at, err := peer.AddrInfoFromString(relayAddress(p))
	if err != nil {
		return nil, nil, err
	}
	if err := h.Connect(context.Background(), *at); err != nil {
		return nil, nil, err
	}
	_, err = client.Reserve(context.Background(), h, *at)
	return h, at, err
}

// A streamLine is a stream with messages behind their lengths.
type streamLine struct {
	streams chan network.Stream // the stream, once there is one
	in      *bufio.Reader
	out     *bufio.Writer
}

// streamBuffer lets a length and a small message leave as one frame.
const streamBuffer = 4 << 10

func (l *streamLine) use(s network.Stream) {
	l.in, l.out = bufio.NewReaderSize(s, streamBuffer), bufio.NewWriterSize(s, streamBuffer)
}

func circuitCalled(p *contest.Process) (line, contest.Values, error) {
	h, at, err := reserve(p)
	if err != nil {
		return nil, nil, err
	}
	l := &streamLine{streams: make(chan network.Stream, 1)}
	h.SetStreamHandler(relayedProtocol, func(s network.Stream) { offer(l.streams, s) })
	return l, contest.Values{addressOf: fmt.Sprintf("%s/p2p/%s/p2p-circuit/p2p/%s", at.Addrs[0], at.ID, h.ID())}, nil
}

func circuitCaller(p *contest.Process) (line, error) {
	h, err := newHost(libp2p.NoListenAddrs, libp2p.EnableRelay())
	if err != nil {
		return nil, err
	}
	sink, err := peer.AddrInfoFromString(p.Peers["sink"][addressOf])
	if err != nil {
		return nil, err
	}
	ctx := network.WithAllowLimitedConn(context.Background(), relayedProtocol)
	if err := h.Connect(ctx, *sink); err != nil {
		return nil, err
	}
	s, err := h.NewStream(ctx, sink.ID, relayedProtocol)
	if err != nil {
		return nil, err
	}
	l := &streamLine{}
	l.use(s)
	return l, nil
}

func (l *streamLine) send(b []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(b)))
	if _, err := l.out.Write(length[:]); err != nil {
		return err
	}
	if _, err := l.out.Write(b); err != nil {
		return err
	}
	return l.out.Flush()
}

func (l *streamLine) listen(hear func([]byte) error) error {
	if l.in == nil {
		l.use(<-l.streams)
	}
	var length [4]byte
	var message []byte
	for {
		if _, err := io.ReadFull(l.in, length[:]); err != nil {
			return err
		}
		if n := int(binary.BigEndian.Uint32(length[:])); n > cap(message) {
			message = make([]byte, n)
		} else {
			message = message[:n]
		}
		if _, err := io.ReadFull(l.in, message); err != nil {
			return err
		}
		if err := hear(message); err != nil {
			return err
		}
	}
}
