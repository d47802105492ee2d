package discovery_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/discovery"
	"github.com/fernmesh/fernmesh/meshtest"
)

// Two nodes on a LAN in memory find each other; on a real one, leave Net out.
func Example() {
	world := meshtest.NewWorld(1)
	defer world.Close()
	lan := world.LAN("home", "10.1.0.0/24")
	key := crypto.Derive(crypto.GenerateKey(), "home")

	found := make(chan discovery.Change, 1)
	kitchen, err := discovery.New(discovery.Config{
		Net: world.Host("kitchen", lan), Keys: []*crypto.Schedule{key},
		Self:     discovery.Self{Name: "kitchen", Instance: crypto.NewInstanceID(), Port: 7000},
		OnChange: func(c discovery.Change) { found <- c },
	})
	if err != nil {
		log.Fatal(err)
	}
	attic, err := discovery.New(discovery.Config{
		Net: world.Host("attic", lan), Keys: []*crypto.Schedule{key},
		Self: discovery.Self{Name: "attic", Instance: crypto.NewInstanceID(), Port: 7001},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range []*discovery.Service{kitchen, attic} {
		if err := s.Start(context.Background()); err != nil {
			log.Fatal(err)
		}
	}

	c := <-found
	fmt.Println(c.Kind, c.Entry.Name, "at", c.Entry.Addrs[0].AddrPort)
	attic.Close()
	c = <-found
	for c.Kind != discovery.Removed {
		c = <-found
	}
	fmt.Println(c.Kind, c.Entry.Name+":", c.Why)
	kitchen.Close()
	// Output:
	// added attic at 10.1.0.2:7001
	// removed attic: goodbye
}

// A peer behind a router that carries neither broadcast nor multicast.
func ExampleConfig_static() {
	s, err := discovery.New(discovery.Config{
		Keys:   []*crypto.Schedule{crypto.Derive(crypto.GenerateKey(), "home")},
		Self:   discovery.Self{Instance: crypto.NewInstanceID()}, // an observer
		NoUDP:  true,
		Static: []string{"192.0.2.7:7000"},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	for _, e := range s.Entries() {
		fmt.Println("dial", e.Host, "at", e.Addrs)
	}
}
