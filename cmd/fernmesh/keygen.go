package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/crypto"
)

func (m *Main) keygenCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "keygen [--out FILE]",
		Short: "Make a network key",
		Long: `Keygen makes a new network key, an ordinary Fernet key, and prints it with a
newline and nothing else. With --out it goes to a new file that only its owner
may read; a file that exists is never overwritten.

Every node of a network needs the same key: copy the file over a safe way.`,
		Args: between(0, 0),
		RunE: func(*cobra.Command, []string) error { return m.keygen(out) },
	}
	cmd.Flags().StringVar(&out, "out", "", "write the key to a new `FILE` of mode 0600")
	return cmd
}

func (m *Main) keygen(out string) error {
	key := crypto.GenerateKey()
	if out == "" {
		_, err := fmt.Fprintln(m.out, key.Reveal())
		return err
	}
	if looksLikeKey(out) {
		return faultf(exitUsage, "name the file that is to be made", "--out %v", errKeyAsFile)
	}
	err := crypto.SaveKey(out, key)
	switch {
	case errors.Is(err, fs.ErrExist):
		return faultf(exitFailure, "choose another name, or remove the file if no node needs its key any more", "%s exists, and a key is never overwritten", out)
	case err != nil:
		return faultf(exitFailure, "choose a directory that you may write to", "cannot write the key: %v", err)
	}
	return nil
}
