package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
)

const keysText = `Keys shows and edits the key file, of --key-file or the config file: the keys of
the network with what each is for.

    active      nodes dial and announce themselves with it
    accept      nodes that use it are welcome
    retired     opens nothing any more; who still uses it is told so

A file with one key alone is a ring with that key active. Each change is told to
the nodes of this machine that run with the file, by their control socket; for a
file that was changed otherwise "fernmesh keys reload" does that, or a SIGHUP to
"fernmesh serve" and "fernmesh expose".

To change the key of a network, take three steps, each on every machine before
the next on any, and no call is lost:

    fernmesh keys add                    makes a key, on one machine; copy the
                                         key file to the others, and there:
    fernmesh keys reload
    fernmesh keys promote FINGERPRINT
    fernmesh keys retire OLD-FINGERPRINT

Keys themselves are never printed nor taken from the command line: they go by
fingerprints, such as fernet:1a2b.`

// keysCommand is "fernmesh keys", the parent of its subcommands.
func (m *Main) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Show and change the keys of the network, without losing a call",
		Long:  keysText,
		Args:  cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			return faultf(exitUsage, `it is "fernmesh keys" with list, add, promote, retire or reload`, "keys: a subcommand is missing")
		},
	}
	cmd.AddCommand(m.keysListCommand(), m.keysAddCommand(), m.keysPromoteCommand(), m.keysRetireCommand(), m.keysReloadCommand())
	return cmd
}

// keysOptions are those that say which file, and which nodes run with it.
var keysOptions = []*option{optionConfig, optionNetwork, optionKeyFile, optionStateDir, optionOutput}

func (m *Main) keysListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the keys of the key file by fingerprint, with their roles",
		Args:  between(0, 0),
	}
	flags := addFlags(cmd, keysOptions)
	cmd.RunE = func(*cobra.Command, []string) error {
		e, err := m.editKeys(flags)
		if err != nil {
			return err
		}
		return e.list()
	}
	return cmd
}

func (m *Main) keysAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add [flags]",
		Short: "Add a new key, to be accepted; the first step of a change",
		Long: `Add makes a new key and adds it to the key file as one to accept: nothing is
sealed with it yet. With --from it adds the active key of another key file. In a
file of four keys it takes the place of the oldest retired one.

Next, bring the key file to every other machine of the network in a safe way
(scp, for instance), and run "fernmesh keys reload" there. Run "fernmesh keys
promote" only when all have it.`,
		Args: between(0, 0),
	}
	flags := addFlags(cmd, keysOptions)
	from := cmd.Flags().String("from", "", "add the active key of the key file `FILE` instead of a new one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		e, err := m.editKeys(flags)
		if err != nil {
			return err
		}
		return e.add(cmd.Context(), *from)
	}
	return cmd
}

func (m *Main) keysPromoteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "promote [flags] FINGERPRINT",
		Short: "Make an accepted key the active one; the second step",
		Long: `Promote makes a key of the key file, which it accepts so far, the active one;
the one that was active is accepted from then on. Every node of the network must
have the key by then: one that has not is not found any more.`,
		Args: between(1, 1),
	}
	return m.keysStep(cmd, keyEdit.promote)
}

func (m *Main) keysRetireCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retire [flags] FINGERPRINT",
		Short: "Stop accepting a key; the last step",
		Long: `Retire stops a key of the key file, which it accepts so far, from opening
anything. Its links are closed when the calls under way have ended. The key stays
in the file, so that a node that still uses it can be told. Every node of the
network must have another active key by then.`,
		Args: between(1, 1),
	}
	return m.keysStep(cmd, keyEdit.retire)
}

func (m *Main) keysReloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload [flags]",
		Short: "Have the nodes of this machine read the key file again",
		Args:  between(0, 0),
	}
	flags := addFlags(cmd, keysOptions)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		e, err := m.editKeys(flags)
		if err != nil {
			return err
		}
		return e.report(cmd.Context(), e.ring, "", "")
	}
	return cmd
}

// keysStep makes cmd do one step with a key that the ring has.
func (m *Main) keysStep(cmd *cobra.Command, step func(keyEdit, context.Context, crypto.Key) error) *cobra.Command {
	flags := addFlags(cmd, keysOptions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := m.editKeys(flags)
		if err != nil {
			return err
		}
		if looksLikeKey(args[0]) {
			return faultf(exitUsage, keyAsFileHint, "a key goes by its fingerprint, and this is a key itself")
		}
		k, err := e.ring.Find(args[0])
		if err != nil {
			return e.ringFault(err)
		}
		return step(e, cmd.Context(), k)
	}
	return cmd
}

// keyEdit is one look at the key file, or one change of it.
type keyEdit struct {
	*Main
	settings
	file string
	ring crypto.KeyRing // as it was
}

func (m *Main) editKeys(flags []*recorder) (keyEdit, error) {
	s, err := m.settings(flags)
	if err != nil {
		return keyEdit{}, err
	}
	if s.key != "" {
		return keyEdit{}, faultf(exitConfig, "put the key into a file that its owner alone may read, and name that with --key-file",
			"the key is in %s, where it cannot be changed from here", keyVariable)
	}
	ring, err := s.keys()
	if err != nil {
		return keyEdit{}, err
	}
	file, err := filepath.Abs(s.keyFile)
	if err != nil {
		file = s.keyFile
	}
	return keyEdit{m, s, file, ring}, nil
}

func (e keyEdit) list() error {
	if e.json {
		return e.printJSON(ringJSON(e.file, e.ring))
	}
	t := newTable(e.out, "FINGERPRINT", "ROLE")
	for _, k := range ringRoles(e.ring) {
		t.row(k.key.String(), k.role)
	}
	return t.end()
}

func (e keyEdit) add(ctx context.Context, from string) error {
	key := crypto.GenerateKey()
	for _, err := e.ring.Find(key.String()); from == "" && err == nil; _, err = e.ring.Find(key.String()) {
		key = crypto.GenerateKey() // two keys of one fingerprint could not be told apart
	}
	if from != "" {
		if looksLikeKey(from) {
			return faultf(exitUsage, keyAsFileHint, "--from %v", errKeyAsFile)
		}
		ring, err := loadKeys(from)
		if err != nil {
			return err
		}
		key = ring.Active()
		if same, err := e.ring.Find(key.String()); err == nil && !same.Equal(key) {
			return faultf(exitFailure, "make another key with \"fernmesh keys add\"", "%s has another key of the fingerprint %v", e.file, key)
		}
	}
	next, err := e.ring.Add(key)
	if err != nil {
		return e.ringFault(err)
	}
	return e.save(ctx, next, fmt.Sprintf("%v is accepted", key),
		fmt.Sprintf("copy %s to every other machine in a safe way, scp for instance, and run there: fernmesh keys reload; only when all have it, on each: fernmesh keys promote %v", e.file, key))
}

func (e keyEdit) promote(ctx context.Context, k crypto.Key) error {
	next, err := e.ring.Promote(k)
	if err != nil {
		return e.ringFault(err)
	}
	old := e.ring.Active()
	return e.save(ctx, next, fmt.Sprintf("%v is active, %v is accepted", k, old),
		fmt.Sprintf("do the same on every other machine; only when all are done, on each: fernmesh keys retire %v", old))
}

func (e keyEdit) retire(ctx context.Context, k crypto.Key) error {
	next, err := e.ring.Retire(k)
	if err != nil {
		return e.ringFault(err)
	}
	return e.save(ctx, next, fmt.Sprintf("%v is retired", k),
		"do the same on every other machine; a node that was off needs this key file before it is started")
}

// ringFault explains why a ring does not take a change.
func (e keyEdit) ringFault(err error) error {
	hint := fmt.Sprintf("\"fernmesh keys list\" shows the keys of %s", e.file)
	if errors.Is(err, crypto.ErrBadRing) {
		hint = "retire a key that no node needs, or make another one with \"fernmesh keys add\""
	}
	return &fault{code: exitFailure, text: err.Error(), hint: hint, cause: err}
}

// save writes the ring, tells the nodes that run with it, and says what is next.
func (e keyEdit) save(ctx context.Context, next crypto.KeyRing, what, step string) error {
	if err := crypto.SaveRing(e.file, next); err != nil {
		return faultf(exitFailure, "see that you may write to the file and its directory; nothing was changed", "cannot write the key file: %v", err)
	}
	return e.report(ctx, next, fmt.Sprintf("%s in %s", what, escapeLine(e.file)), step)
}

// report tells the nodes that run with the file of its ring, and the user what
// was done and what is next.
func (e keyEdit) report(ctx context.Context, ring crypto.KeyRing, done, step string) error {
	told := e.tell(ctx, ring)
	if e.json {
		v, list := ringJSON(e.file, ring), []any{}
		for _, t := range told {
			list = append(list, t.json())
		}
		v["told"], v["next"] = list, step
		return errors.Join(e.printJSON(v), toldFault(told))
	}
	if done != "" {
		fmt.Fprintln(e.out, done) // an error shows at the end
	}
	for _, t := range told {
		fmt.Fprintln(e.out, t.text())
	}
	if len(told) == 0 {
		e.notef("no node of network %q runs here with %s, so none was told", e.network, escapeLine(e.file))
	}
	if step != "" {
		e.notef("next: %s", escapeLine(step))
	}
	return toldFault(told)
}
