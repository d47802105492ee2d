package rpcs

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

const echoMethod = "/comparison.Echo/Echo"

// grpcOne is the reference: gRPC with its defaults over one connection.
func grpcOne() contest.Contestant {
	return contest.Contestant{
		Name: "grpc", About: "gRPC-go, mutual TLS 1.3, one connection, defaults, bytes as they are instead of protobuf: the reference, 1.0",
		Modules: []string{"google.golang.org/grpc"},
		Roles:   []contest.Role{{Name: "server", Run: serveGRPC}, {Name: "client", Run: callGRPC}},
	}
}

// bytesCodec passes on *[]byte, which spares gRPC the work of protobuf.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "bytes" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not *[]byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
}

// Unmarshal copies, for gRPC takes its buffers back.
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T is not *[]byte", v)
	}
	*b = data.Materialize()
	return nil
}

func serveGRPC(p *contest.Process) error {
	config, err := p.TLS.Server(true, "h2")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.ForceServerCodecV2(bytesCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "comparison.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: echoGRPC}},
	}, struct{}{})
	if err := ready(p, l); err != nil {
		return err
	}
	return s.Serve(l)
}

func echoGRPC(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new([]byte)
	return in, decode(in)
}

func callGRPC(p *contest.Process) error {
	config, err := p.TLS.Client("h2")
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:"+p.Peers["server"][addressOf],
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	if err != nil {
		return err
	}
	payload := payloadOf(p)
	return p.Measure(func(int) (func() error, error) {
		return echoes(payload, func(b []byte) ([]byte, error) {
			var back []byte
			err := conn.Invoke(context.Background(), echoMethod, &b, &back)
			return back, err
		}), nil
	})
}
