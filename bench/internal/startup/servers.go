package startup

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// Keys of what processes tell the shell.
const (
	addressOf   = "address"
	authorityOf = "authority" // file of the certificate that servers prove themselves by
	protosOf    = "protos"    // file of descriptors
	configOf    = "config"    // file of fernmesh's settings
)

func serveNATS(p *contest.Process) error {
	config, err := p.TLS.Server(false)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, TLS: true, TLSConfig: config, TLSTimeout: 10, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the NATS server is not ready after 10 s")
	}
	authority, err := keep(p, "nats-authority.pem", p.TLS.Authority)
	if err != nil {
		return err
	}
	return p.Ready(contest.Values{addressOf: "tls://" + s.Addr().String(), authorityOf: authority})
}

const subject = "math.add"

func respond(p *contest.Process) error {
	config, err := p.TLS.Client()
	if err != nil {
		return err
	}
	conn, err := nats.Connect(p.Peers["broker"][addressOf], nats.Secure(config))
	if err != nil {
		return err
	}
	if _, err := conn.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond([]byte("5")) }); err != nil {
		return err
	}
	if err := conn.Flush(); err != nil {
		return err
	}
	return p.Ready(nil)
}

// serveGRPC offers the standard health service, by reflection too.
func serveGRPC(p *contest.Process) error {
	config, err := p.TLS.Server(false)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(withHTTP2(config))))
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	authority, err := keep(p, "grpc-authority.pem", p.TLS.Authority)
	if err != nil {
		return err
	}
	described, err := proto.Marshal(&descriptorpb.FileDescriptorSet{
		File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(grpc_health_v1.File_grpc_health_v1_health_proto)},
	})
	if err != nil {
		return err
	}
	protos, err := keep(p, "health.protoset", described)
	if err != nil {
		return err
	}
	if err := p.Ready(contest.Values{addressOf: l.Addr().String(), authorityOf: authority, protosOf: protos}); err != nil {
		return err
	}
	return s.Serve(l)
}

func withHTTP2(c *tls.Config) *tls.Config {
	c.NextProtos = []string{"h2"}
	return c
}

// keep writes a file for the programs.
func keep(p *contest.Process, name string, content []byte) (string, error) {
	file := filepath.Join(p.Job.Options[dirOption], name)
	return file, os.WriteFile(file, content, 0o600)
}
