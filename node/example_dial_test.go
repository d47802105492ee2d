package node_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// One node serves HTTP to the mesh, with the ordinary server of package
// net/http; another fetches a page, with its ordinary client.
func ExampleNode_Dial() {
	ctx := context.Background()
	key, port := crypto.Ring(crypto.GenerateKey()), freePort()
	start := func(name string) *node.Node {
		n, err := node.New(node.Config{
			Name: name, Network: "home", Keys: key, Interfaces: []string{"lo*"}, AdvertPort: port, NoMDNS: true,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			log.Fatal(err)
		}
		return n
	}
	kitchen, attic := start("kitchen"), start("attic")
	defer kitchen.Shutdown(ctx)
	defer attic.Shutdown(ctx)

	l, err := kitchen.Listen("http")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "soup for %s at %s", r.RemoteAddr, r.URL.Path)
	})}
	go server.Serve(l)
	defer server.Close()

	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return attic.Dial(ctx, "kitchen", "http") },
	}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://kitchen/menu")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	fmt.Println(string(page), err)

	_, err = attic.Dial(ctx, "kitchen", "ssh")
	fmt.Println(err)
	// Output:
	// soup for attic at /menu <nil>
	// NOT_FOUND: "kitchen" does not listen for the service "ssh" (did not run)
}

// A listener knows which node each connection comes from, by the key that the
// node proved to hold.
func ExampleConn_Caller() {
	ctx := context.Background()
	n, err := node.New(node.Config{
		Name: "kitchen", Network: "home", Keys: crypto.Ring(crypto.GenerateKey()), NoLAN: true, Listen: "127.0.0.1:0",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Start(ctx); err != nil {
		log.Fatal(err)
	}
	defer n.Shutdown(ctx)
	l, err := n.Listen("diary")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	dialled, err := n.Dial(ctx, "kitchen", "diary") // to itself
	if err != nil {
		log.Fatal(err)
	}
	defer dialled.Close()
	accepted, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer accepted.Close()
	caller := accepted.(*node.Conn).Caller()
	fmt.Println(caller.Name, caller.Verified, caller.Key == n.Identity())
	// Output:
	// kitchen true true
}
