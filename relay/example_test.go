package relay_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/relay"
)

// The line that a relay prints is all that a node needs to know of it.
func ExampleParseAddress() {
	a, err := relay.ParseAddress("Relay.example.org#17cb79fb2b4120f2b1ec65e4198d6e08b28e813feb01e4a400839b85e18080ce")
	fmt.Println(a.Authority, a.TLS, a.Pinned, err)
	_, err = relay.ParseAddress("2001:db8::1")
	fmt.Println(err)
	// Output:
	// relay.example.org:3376 false true <nil>
	// not a relay address: "2001:db8::1": an IPv6 address is written in brackets, as in [2001:db8::1]:3376
}

// Two nodes that know the network key meet at a relay that does not.
func ExampleConnect() {
	world := meshtest.NewWorld(1)
	defer world.Close()
	internet := world.LAN("internet", "10.0.0.0/8")
	laptop := world.Host("laptop", internet)
	station, err := makeStation(world.Host("relay", internet), laptop, "[::]:3376") // a relay of these tests
	if err != nil {
		log.Fatal(err)
	}
	hub := newHub(station)
	defer hub.close()

	address, _ := relay.ParseAddress("relay:3376")
	network := crypto.Derive(crypto.GenerateKey(), "home")
	connect := func(h relay.Handler) *relay.Client {
		c, err := relay.Connect(context.Background(), relay.Config{
			Address: address, Net: laptop, Handler: h,
			Room: func(id relay.ID) *crypto.Room { return network.Room(id) },
		})
		if err != nil {
			log.Fatal(err)
		}
		go func() { _ = c.Run() }() // until Close
		return c
	}
	atAlice := listener{make(chan relay.Addr, 1), make(chan *relay.Channel, 1)}
	alice := connect(atAlice)
	defer alice.Close(nil)
	atBob := listener{make(chan relay.Addr, 1), make(chan *relay.Channel, 1)}
	bob := connect(atBob)
	defer bob.Close(nil)

	session, err := alice.Open(<-atAlice.up)
	if err != nil {
		log.Fatal(err)
	}
	_ = session.WriteRecord(make([]byte, 112)) // here the handshake begins
	other := <-atBob.sessions
	record, _ := other.ReadRecord(112)
	fmt.Println(len(record), "bytes from alice:", other.Peer() == alice.Self())
	fmt.Println("over", other.Remote())
	// Output:
	// 112 bytes from alice: true
	// over relay relay:3376
}

// listener is a Handler that passes on members and their sessions.
type listener struct {
	up       chan relay.Addr
	sessions chan *relay.Channel
}

func (l listener) Up(a relay.Addr)           { l.up <- a }
func (l listener) Accept(ch *relay.Channel)  { l.sessions <- ch }
func (l listener) Down(relay.Addr)           {}
func (l listener) Casted(relay.Addr, []byte) {}
func (l listener) Draining(time.Duration)    {}
