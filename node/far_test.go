package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

const (
	farNetwork = "far"
	farName    = "far"
	farService = "mirrors"
	farCommand = "mirror" // answers with its first argument
	farTyped   = "double" // takes and gives a farNumber
)

type farNumber struct {
	N int `json:"n"`
}

// far is a process of its own, given the key and a free UDP port: it prints its address and serves until its input
// ends.
func far(order []string) error {
	if len(order) != 2 {
		return fmt.Errorf("%d words of order", len(order))
	}
	key, err := crypto.ParseKey(order[0])
	if err != nil {
		return err
	}
	advert, err := strconv.Atoi(order[1])
	if err != nil {
		return err
	}
	n, err := New(Config{
		Name: farName, Network: farNetwork, Keys: crypto.Ring(key), AdvertPort: advert,
		Interfaces: []string{"lo*"}, Listen: "127.0.0.1:0", NoMDNS: true, Services: []string{farService},
	})
	if err != nil {
		return err
	}
	mirror := func(_ context.Context, c *commands.Call) (any, error) { return commands.Arg[commands.Raw](c, 0) }
	if err := n.Commands().Handle(farCommand, mirror); err != nil {
		return err
	}
	double := func(_ context.Context, in farNumber) (farNumber, error) { return farNumber{2 * in.N}, nil }
	if err := commands.Func(n.Commands(), farTyped, double); err != nil {
		return err
	}
	if err := n.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println(n.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, n.Shutdown(ctx))
}

// nearFar starts a node in this process, and one in another that it is linked
// to, whose command farCommand answers with its argument.
func nearFar(t testing.TB) *Node {
	t.Helper()
	key := crypto.GenerateKey()
	other := startApart(t, nil, "far", key.Reveal(), strconv.Itoa(freeUDPPort(t)))
	n := running(t, Config{Name: "near", Network: farNetwork, Keys: crypto.Ring(key), Peers: []string{other.line(t)}, NoLAN: true})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := n.Call(ctx, farName, "__echo__"); err != nil {
		t.Fatal(err)
	}
	return n
}
