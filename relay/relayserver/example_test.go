package relayserver_test

import (
	"context"
	"fmt"
	"net"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// A relay on a port of this machine, and the line that its clients need.
func Example() {
	server, err := relayserver.New(relayserver.Config{Identity: crypto.NewIdentity()})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	address, err := relay.ParseAddress(listener.Addr().String() + "#" + server.ID().String())
	fmt.Println(address.Pinned, err)

	server.Drain(context.Background()) // at once: nobody has joined
	fmt.Println(<-served)
	// Output:
	// true <nil>
	// relayserver: server is closed
}
