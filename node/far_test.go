package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// farVariable makes the test binary a node of its own instead, so that what a
// test measures of its process is of the caller alone. It holds the key and a
// free UDP port.
const farVariable = "FERNMESH_TEST_FAR"

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

// far is the other process: it prints its address and serves until its input
// ends.
func far(order string) error {
	text, port, _ := strings.Cut(order, " ")
	key, err := crypto.ParseKey(text)
	if err != nil {
		return err
	}
	advert, err := strconv.Atoi(port)
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
	n, err := New(Config{Name: "near", Network: farNetwork, Keys: crypto.Ring(key), Peers: []string{startFar(t, key)}, NoLAN: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := n.Call(ctx, farName, "__echo__"); err != nil {
		t.Fatal(err)
	}
	return n
}

// startFar runs this binary as the other process until the test ends, and
// returns its address.
func startFar(t testing.TB, key crypto.Key) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), farVariable+"="+key.Reveal()+" "+strconv.Itoa(freeUDPPort(t)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("the other process did not say its address: %v", lines.Err())
	}
	return lines.Text()
}
