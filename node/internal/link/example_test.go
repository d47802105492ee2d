package link_test

import (
	"context"
	"fmt"
	"net"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// Two nodes of one network, with a connection between them.
func Example() {
	key := crypto.GenerateKey()
	node := func(name string) link.Config {
		return link.Config{
			Keys: []*crypto.Schedule{crypto.Derive(key, "home")}, Name: name,
			Instance: crypto.NewInstanceID(), Replay: crypto.NewReplaySet(crypto.ReplayEntries),
		}
	}
	here, there := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l, err := link.Accept(context.Background(), link.Stream(there), node("bob"))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer l.Close(nil)
		_ = l.Run(func(m wire.Message) error {
			fmt.Printf("%v from %s: %s\n", m.Type, l.Peer().Hello.Name, m.Body)
			return nil
		})
	}()
	l, err := link.Dial(context.Background(), link.Stream(here), node("alice"), "bob")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := l.Post(wire.TypePing, []byte("12345678")); err != nil {
		fmt.Println(err)
	}
	l.Flush()
	l.Close(nil)
	<-ended
	// Output: PING from alice: 12345678
}
