package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// demoTime bounds a demo but for its end, which takes at most twice stopTime, so
// that the whole is over in 25 s.
const demoTime = 20 * time.Second

const demoNetwork = "demo"

func (m *Main) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [--output json]",
		Short: "Show the mesh at work, on this machine alone",
		Long: `Demo starts six nodes and a relay as processes of their own on the loopback
interface, with a fresh key and ports of their own: three nodes that find each
other as on a LAN, two that only the relay leads to, and one with both paths,
whose LAN falls silent in mid-call; a seventh node offers a web server. It calls them in several ways, prints what
came of it, and ends them. It needs no privileges and leaves nothing behind. It
exits with 0 only if everything went as it should.`,
		Args: between(0, 0),
	}
	flags := addFlags(cmd, []*option{optionOutput})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s := defaultSettings()
		for _, r := range flags {
			if len(r.values) > 0 {
				_ = r.option.set(&s, r.values) // checked when the flag was read
			}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), demoTime)
		defer cancel()
		return m.demo(ctx, s.json)
	}
	return cmd
}

// demo is one demo under way. Its run ends whatever it started.
type demo struct {
	*Main
	dir        string // temporary; everything that is written is in it
	keyFile    string
	key        crypto.Key
	loopback   string // name of the interface
	advertPort int
	relay      *child
	relayAt    string // its address, with the pin
	children   []*child
	node       *node.Node // the caller on the LAN
	far        *node.Node // the caller with the relay alone
}

func (m *Main) demo(ctx context.Context, asJSON bool) (err error) {
	start := time.Now()
	d := &demo{Main: m}
	defer func() { err = errors.Join(err, d.end()) }()
	if err := d.begin(ctx); err != nil {
		return demoFault(ctx, err)
	}
	failed, err := d.report(asJSON, d.runSteps(ctx))
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return demoFault(ctx, ctx.Err())
	case failed > 0:
		return faultf(exitFailure, "the table says what was expected", "%d rows are not as expected", failed)
	case !asJSON:
		_, err = fmt.Fprintf(m.out, "\nAll as expected, in %.1f s. The nodes and the relay were processes: %s.\n", time.Since(start).Seconds(), d.pids())
	}
	return err
}

// demoFault explains why a demo did not come to its table.
func demoFault(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return faultf(exitFailure, "the machine may be very busy; try again", "the demo was not done in %v: %v", demoTime, err)
	case ctx.Err() != nil:
		return faultf(exitFailure, "nothing is left behind", "interrupted")
	}
	return faultf(exitFailure, "the demo needs a loopback interface and a temporary directory", "the demo could not begin: %v", err)
}

// demoNodes are the names of the node processes on the LAN, demoFarNodes those
// that only the relay leads to; demoHarbour has a LAN address and the relay.
var (
	demoNodes    = []string{"cellar", "garden", "kitchen"}
	demoFarNodes = []string{"island", "tower"}
)

const demoHarbour = "harbour"

// demoProcesses is how many processes a demo starts.
var demoProcesses = len(demoNodes) + len(demoFarNodes) + 2

// begin starts the processes, waits until each is ready, and brings up the
// callers.
func (d *demo) begin(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "fernmesh-demo-"); err != nil {
		return err
	}
	d.key, d.keyFile = crypto.GenerateKey(), filepath.Join(d.dir, "demo.key")
	if err := crypto.SaveKey(d.keyFile, d.key); err != nil {
		return err
	}
	if d.loopback, err = loopbackInterface(); err != nil {
		return err
	}
	if d.advertPort, err = freeUDPPort(); err != nil {
		return err
	}
	// An empty file, so that the user's own settings have no part in this.
	config := filepath.Join(d.dir, "config.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return err
	}
	if err := d.startRelay(ctx); err != nil {
		return err
	}
	if err := d.startNodes(ctx, config); err != nil {
		return err
	}
	if d.node, err = d.observer(ctx, node.Config{}); err != nil {
		return err
	}
	d.far, err = d.observer(ctx, node.Config{NoLAN: true, Relays: []string{d.relayAt}})
	return err
}

func (d *demo) startRelay(ctx context.Context) (err error) {
	if d.relay, err = startChild(demoRelay); err != nil {
		return err
	}
	if err := d.relay.waitReady(ctx); err != nil {
		return err
	}
	d.relayAt = d.relay.ready.Address
	return nil
}

func (d *demo) startNodes(ctx context.Context, config string) error {
	lan := []string{"--interface", d.loopback, "--advert-port", fmt.Sprint(d.advertPort)}
	far := []string{"--no-lan", "--relay", d.relayAt}
	both := append([]string{"--listen", "127.0.0.1:0"}, far...)
	flags := map[string][]string{demoHarbour: both}
	for _, name := range demoNodes {
		flags[name] = lan
		if service := demoServices[name]; service != "" {
			flags[name] = append(slices.Clip(lan), "--service", service)
		}
	}
	for _, name := range demoFarNodes {
		flags[name] = far
	}
	guarded, err := d.policyFlags()
	if err != nil {
		return err
	}
	flags[demoGuarded] = append(slices.Clone(flags[demoGuarded]), guarded...)
	for _, name := range sortedKeys(flags) {
		c, err := startChild(append([]string{
			"serve", "--config", config, "--network", demoNetwork, "--name", name, "--key-file", d.keyFile,
			"--state-dir", filepath.Join(d.dir, "state"), "--output", "json", "--until-eof",
		}, flags[name]...)...)
		if err != nil {
			return err
		}
		d.children = append(d.children, c)
	}
	for _, c := range d.children {
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// observer brings up a caller of the demo's network inside this process.
func (d *demo) observer(ctx context.Context, cfg node.Config) (*node.Node, error) {
	cfg.Observer, cfg.Network = true, demoNetwork
	if cfg.Keys.IsZero() {
		cfg.Keys = crypto.Ring(d.key)
	}
	cfg.Interfaces, cfg.AdvertPort = []string{d.loopback}, d.advertPort
	n, err := node.New(cfg)
	if err != nil {
		return nil, err
	}
	return n, n.Start(ctx)
}

// end ends the caller and every child, each by its own handle, and removes
// what was written. It does not depend on how far begin came.
func (d *demo) end() error {
	for _, n := range []*node.Node{d.node, d.far} {
		if n != nil {
			d.part(n)
		}
	}
	for _, c := range d.children {
		c.askToStop()
	}
	for _, c := range d.children {
		c.end()
	}
	if d.relay != nil {
		d.relay.end()
	}
	if d.dir == "" {
		return nil
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return faultf(exitFailure, "remove it by hand; it holds nothing of use", "cannot remove %s: %v", d.dir, err)
	}
	return nil
}

// part shuts a caller down. The processes are ended next, goodbye or not.
func (d *demo) part(n *node.Node) {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	_ = n.Shutdown(ctx)
}

func (d *demo) pids() string {
	text := ""
	for _, c := range d.children {
		text += fmt.Sprintf("%s %d, ", c.ready.Name, c.cmd.Process.Pid)
	}
	return text + fmt.Sprintf("%s %d", d.relay.ready.Name, d.relay.cmd.Process.Pid)
}

// loopbackInterface returns the name of the loopback interface, which every
// system calls otherwise.
func loopbackInterface() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Name, nil
		}
	}
	return "", errors.New("no loopback interface is up")
}

// freeUDPPort returns a port that nobody uses now. Nodes share it, so another
// program that took it in between would only make them hear foreign packets.
func freeUDPPort() (int, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}
