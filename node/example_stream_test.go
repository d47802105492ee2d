package node_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"slices"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// pair is two nodes of one network on this machine, to try things with.
func pair(ctx context.Context) (kitchen, attic *node.Node) {
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	nodes := make([]*node.Node, 2)
	for i, name := range []string{"kitchen", "attic"} {
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key, Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		nodes[i] = n
	}
	return nodes[0], nodes[1]
}

// A command that yields values is called in a loop. Breaking out of the loop
// cancels it.
func ExampleInvokeStream() {
	ctx := context.Background()
	kitchen, attic := pair(ctx)
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)

	type Watch struct {
		Room string `json:"room"`
	}
	err := commands.ServerStream(kitchen.Commands(), "heat.watch", func(_ context.Context, in Watch) iter.Seq2[float64, error] {
		return func(yield func(float64, error) bool) {
			for celsius := 20.5; ; celsius += 0.5 { // a thermometer would be read here
				if !yield(celsius, nil) {
					return
				}
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}

	for celsius, err := range node.InvokeStream[float64](ctx, attic, "kitchen", "heat.watch", Watch{"hall"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(celsius)
		if celsius > 21 {
			break
		}
	}
	// Output:
	// 20.5
	// 21
	// 21.5
}

// A caller streams values to a command, which answers at their end.
func ExampleSendAll() {
	ctx := context.Background()
	kitchen, attic := pair(ctx)
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)

	err := commands.ClientStream(kitchen.Commands(), "words.longest", func(_ context.Context, _ struct{}, items iter.Seq2[string, error]) (string, error) {
		longest := ""
		for word, err := range items {
			if err != nil {
				return "", err
			}
			if len(word) > len(longest) {
				longest = word
			}
		}
		return longest, nil
	})
	if err != nil {
		log.Fatal(err)
	}

	s := attic.Stream(ctx, "kitchen", "words.longest")
	defer s.Close()
	if err := node.SendAll(s, slices.Values([]string{"salt", "cinnamon", "mint"})); err != nil {
		fmt.Println("it ended before it had all:", err)
	}
	reply, err := s.Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Value())
	// Output: cinnamon <nil>
}

// Both sides may stream: here each value is answered as it comes.
func ExampleNode_Stream() {
	ctx := context.Background()
	kitchen, attic := pair(ctx)
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)

	err := kitchen.Commands().HandleStream("parrot", func(_ context.Context, c *commands.Call, s *commands.Stream) (any, error) {
		for v, err := range s.Values() {
			if err != nil {
				return nil, err
			}
			if err := s.Send(strings.ToUpper(fmt.Sprint(v))); err != nil {
				return nil, err
			}
		}
		return "bye", nil
	})
	if err != nil {
		log.Fatal(err)
	}

	s := attic.Stream(ctx, "kitchen", "parrot")
	defer s.Close()
	for _, word := range []string{"hello", "again"} {
		var answer string
		if err := s.Send(word); err != nil {
			break // Result says why
		}
		if err := s.Next(&answer); err != nil {
			break
		}
		fmt.Println(answer)
	}
	_ = s.CloseSend() // an error would be in the result too
	reply, err := s.Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.Value())
	// Output:
	// HELLO
	// AGAIN
	// bye <nil>
}
