package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// startRelay runs a relay in this process and returns its address.
func startRelay(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; !errors.Is(err, relayserver.ErrClosed) {
			t.Errorf("the relay ended with %v", err)
		}
	})
	return relay.Address{Authority: l.Addr().String(), Pin: s.ID(), Pinned: true}.String()
}

func TestProgramsAreRunThroughARelay(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // runs last
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	address, keys := startRelay(t), crypto.Ring(crypto.GenerateKey())
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- serve(serving, keys, "attic", address) }()
	defer func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the node ended with %v", err)
		}
	}()
	caller, err := node.New(node.Config{Observer: true, Network: "remote-ops", Keys: keys, Relays: []string{address}, NoLAN: true})
	if err == nil {
		err = caller.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Shutdown(ctx)
	if err := caller.WaitFor(ctx, "attic"); err != nil {
		t.Fatal(err)
	}

	if _, err := exec.LookPath("hostname"); err == nil {
		reply, err := caller.Call(ctx, "attic", "host.name")
		if err != nil {
			t.Fatal(err)
		}
		want, _ := os.Hostname()
		if got, err := reply.Value(); err != nil || !strings.EqualFold(got.(string), want) || reply.Path.Kind != "relay" {
			t.Errorf("got %v over %s, %v; want %s over a relay", got, reply.Path.Kind, err, want)
		}
	}
	if _, err := exec.LookPath("df"); err == nil {
		checkDiskFree(ctx, t, caller)
	}
}

func checkDiskFree(ctx context.Context, t *testing.T, caller *node.Node) {
	t.Helper()
	free, err := node.Invoke[string](ctx, caller, "attic", "disk.free", directory{t.TempDir()})
	if err != nil || !strings.Contains(free, "%") {
		t.Errorf("disk.free says %q, %v", free, err)
	}
	// What looks like an option or a script stays one argument.
	for _, dir := range []string{"--help", "/; echo 100%", "$(echo /)"} {
		var e *commands.Error
		free, err := node.Invoke[string](ctx, caller, "attic", "disk.free", directory{dir})
		if !errors.As(err, &e) || e.Code != commands.Unknown || e.Executed != commands.ExecutedYes || e.Details["stderr"] == "" {
			t.Errorf("%q: %q, %v", dir, free, err)
		}
	}
}
