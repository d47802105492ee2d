package rpcs

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const echoProtocol = "/comparison/echo/1.0.0"

// libp2pStreams keeps one stream open for each caller.
func libp2pStreams() contest.Contestant {
	return contest.Contestant{
		Name: "libp2p", About: "libp2p, TCP with TLS 1.3 and yamux, one connection, a lasting stream for each caller: nothing is looked up for a call",
		Modules: []string{libp2pModule},
		Roles:   []contest.Role{{Name: "server", Run: serveLibp2p}, {Name: "client", Run: func(p *contest.Process) error { return callLibp2p(p, lasting) }}},
	}
}

// libp2pCalls opens a stream for each call, as most of its protocols do.
func libp2pCalls() contest.Contestant {
	c := libp2pStreams()
	c.Name, c.About = "libp2p-per-call", "libp2p with a stream of its own for each call, and without the resource limits that 64 callers exceed"
	c.Roles = []contest.Role{c.Roles[0], {Name: "client", Run: func(p *contest.Process) error { return callLibp2p(p, perCall) }}}
	return c
}

const libp2pModule = "github.com/libp2p/go-libp2p"

func newHost(listen ...string) (host.Host, error) {
	return libp2p.New(libp2p.ListenAddrStrings(listen...), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(libp2ptls.ID, libp2ptls.New), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(), libp2p.DisableMetrics())
}

func serveLibp2p(p *contest.Process) error {
	h, err := newHost("/ip4/127.0.0.1/tcp/0")
	if err != nil {
		return err
	}
	h.SetStreamHandler(echoProtocol, answerStream)
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(h))
	if err != nil {
		return err
	}
	return p.Ready(contest.Values{addressOf: addrs[0].String()})
}

// An exchanger makes the exchange of one caller; open opens a stream to the
// server.
type exchanger func(open func() (network.Stream, error)) (func([]byte) ([]byte, error), error)

func callLibp2p(p *contest.Process, of exchanger) error {
	h, err := newHost()
	if err != nil {
		return err
	}
	server, err := peer.AddrInfoFromString(p.Peers["server"][addressOf])
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := h.Connect(ctx, *server); err != nil {
		return err
	}
	payload := payloadOf(p)
	return p.Measure(func(int) (func() error, error) {
		exchange, err := of(func() (network.Stream, error) { return h.NewStream(ctx, server.ID, echoProtocol) })
		return echoes(payload, exchange), err
	})
}

func lasting(open func() (network.Stream, error)) (func([]byte) ([]byte, error), error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	in, out := bufio.NewReaderSize(s, streamBuffer), bufio.NewWriterSize(s, streamBuffer)
	return func(b []byte) ([]byte, error) { return exchange(in, out, b) }, nil
}

func perCall(open func() (network.Stream, error)) (func([]byte) ([]byte, error), error) {
	in, out := bufio.NewReaderSize(nil, streamBuffer), bufio.NewWriterSize(nil, streamBuffer) // for all streams of the caller
	return func(b []byte) ([]byte, error) {
		s, err := open()
		if err != nil {
			return nil, err
		}
		defer s.Close()
		in.Reset(s)
		out.Reset(s)
		return exchange(in, out, b)
	}, nil
}

func exchange(in *bufio.Reader, out *bufio.Writer, b []byte) ([]byte, error) {
	if err := writeMessage(out, b); err != nil {
		return nil, err
	}
	return readMessage(in)
}

func answerStream(s network.Stream) {
	defer s.Close()
	in, out := bufio.NewReaderSize(s, streamBuffer), bufio.NewWriterSize(s, streamBuffer)
	for {
		b, err := readMessage(in)
		if err != nil {
			return
		}
		if err := writeMessage(out, b); err != nil {
			return
		}
	}
}

// streamBuffer lets the length and a small message leave as one frame; what is
// longer goes past the buffer.
const streamBuffer = 4 << 10

// writeMessage sends bytes behind their length.
func writeMessage(w *bufio.Writer, b []byte) error {
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Flush()
}

// readMessage receives what writeMessage sent, into a new slice.
func readMessage(r *bufio.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}
