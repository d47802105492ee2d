// Sensors gathers from everyone: three nodes measure a temperature, a fourth
// asks all of them at once, without knowing their names, and shows each
// outcome, also that of the sensor that is broken.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// Scale is what a sensor is asked: the input of a typed command.
type Scale struct {
	Fahrenheit bool `json:"fahrenheit,omitempty"`
}

// Reading is what it answers.
type Reading struct {
	Degrees float64 `json:"degrees"`
	Scale   string  `json:"scale"`
}

func main() {
	if err := sensors(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func sensors(ctx context.Context, out io.Writer) error {
	keys := crypto.Ring(crypto.GenerateKey())
	for name, measure := range map[string]func() (float64, error){
		"attic":  func() (float64, error) { return 31.5, nil },
		"garden": func() (float64, error) { return 17, nil },
		"cellar": func() (float64, error) { return 0, errors.New("the wire is cut") },
	} {
		n, err := startSensor(ctx, keys, name, measure)
		if err != nil {
			return err
		}
		defer n.Shutdown(ctx)
	}

	// An observer calls and is not called.
	panel, err := node.New(node.Config{Network: "sensors", Keys: keys, Observer: true})
	if err != nil {
		return err
	}
	if err := panel.Start(ctx); err != nil {
		return err
	}
	defer panel.Shutdown(ctx)
	return show(out, panel.Gather(ctx, node.Everyone, "temperature.read").All())
}

func startSensor(ctx context.Context, keys crypto.KeyRing, name string, measure func() (float64, error)) (*node.Node, error) {
	n, err := node.New(node.Config{Name: name, Network: "sensors", Keys: keys})
	if err != nil {
		return nil, err
	}
	err = commands.Func(n.Commands(), "temperature.read", func(_ context.Context, in Scale) (Reading, error) {
		celsius, err := measure()
		if in.Fahrenheit {
			return Reading{celsius*9/5 + 32, "F"}, err
		}
		return Reading{celsius, "C"}, err
	}, commands.Doc("Measures the temperature."), commands.Idempotent())
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}

// show prints one line per sensor, in the order of names.
func show(out io.Writer, outcomes map[string]node.Outcome) error {
	names := make([]string, 0, len(outcomes))
	for name := range outcomes {
		names = append(names, name)
	}
	slices.Sort(names)
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, name := range names {
		var r Reading
		err := outcomes[name].Err
		if err == nil {
			err = outcomes[name].Reply.Decode(&r)
		}
		if err != nil {
			fmt.Fprintf(t, "%s\t%v\n", name, err)
			continue
		}
		fmt.Fprintf(t, "%s\t%.1f °%s\n", name, r.Degrees, r.Scale)
	}
	return t.Flush()
}
