// Remote-ops lets the members of a network run a few chosen programs of this
// machine, from anywhere, through a relay: nothing has to be opened in a
// firewall, and the relay sees neither names nor output.
//
//	fernmesh-relay serve                                   # on a machine that all reach
//	remote-ops -relay relay.example:3376 -key-file home.key -name attic
//	fernmesh call --no-lan --relay relay.example:3376 --key-file home.key attic disk.free /
//
// Without a line of Go, "fernmesh serve" does the same from its config file
// ("fernmesh help programs"). A program of one's own is for what that cannot
// do: typed arguments, checks, answers that are more than text.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

func main() {
	relay := flag.String("relay", "", "address of the relay, as it prints it")
	keyFile := flag.String("key-file", "", "file with the network's key")
	name := flag.String("name", "attic", "name of this node")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	keys, err := crypto.LoadRing(*keyFile)
	if err == nil {
		err = serve(ctx, keys, *name, *relay)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// serve runs the node until ctx ends.
func serve(ctx context.Context, keys crypto.KeyRing, name, relay string) error {
	n, err := node.New(node.Config{
		Name: name, Network: "remote-ops", Keys: keys,
		Relays: []string{relay}, NoLAN: true,
	})
	if err != nil {
		return err
	}
	if err := addOperations(n.Commands()); err != nil {
		return err
	}
	return n.Run(ctx)
}

// addOperations says what may be run. Callers choose arguments, never programs.
func addOperations(t *commands.Tree) error {
	return errors.Join(
		commands.Func(t, "host.name", func(ctx context.Context, _ struct{}) (string, error) { return run(ctx, "hostname") },
			commands.Doc("Returns the name of the machine."), commands.Idempotent()),
		commands.Func(t, "host.user", func(ctx context.Context, _ struct{}) (string, error) { return run(ctx, "whoami") },
			commands.Doc("Returns the user that programs run as."), commands.Idempotent()),
		commands.Func(t, "disk.free", diskFree,
			commands.Doc("Returns the free space of the file system that a directory is in."), commands.Idempotent()),
	)
}

type directory struct {
	Dir string `json:"dir" jsonschema:"an absolute path"`
}

func diskFree(ctx context.Context, in directory) (string, error) {
	// "--" so that no argument is taken for an option of df.
	return run(ctx, "df", "-k", "--", in.Dir)
}

// limit is how long a program may run, if its caller does not give up before.
const limit = 10 * time.Second

// run runs a program without a shell and returns what it printed. A program
// that fails is a failure of the command, with what it said in the details.
func run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &exit):
		e := commands.Errorf(commands.Unknown, "%s failed: %v", program, exit.ProcessState)
		e.Details = map[string]any{"stderr": strings.ToValidUTF8(string(exit.Stderr), "?")}
		return "", e
	case err != nil:
		return "", fmt.Errorf("%s cannot be run here: %w", program, err)
	}
	return strings.TrimSpace(string(out)), nil
}
