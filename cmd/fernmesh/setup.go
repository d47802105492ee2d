package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// setup is a new place for a node: what "init" and "join" make. The key file
// and the directory of the identity are beside the config file.
type setup struct {
	invite
	name       string
	configFile string
	flagged    bool   // --config named it, so that other subcommands need it too
	madeBy     string // the subcommand

	identity crypto.NodeKey // once it is made
	made     []string       // files, in order
}

// newSetup places a setup at the config file that flags or the environment name.
func (m *Main) newSetup(flags []*recorder, madeBy string) (*setup, error) {
	file, _ := m.configFile(flags)
	if file == "" {
		return nil, faultf(exitConfig, "name a file with --config FILE", "this user has no config directory")
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, faultf(exitConfig, "write an absolute path", "cannot tell where %s is: %v", shorten(file), err)
	}
	s := &setup{configFile: file, madeBy: madeBy}
	for _, r := range flags {
		s.flagged = s.flagged || r.option == optionConfig && len(r.values) > 0
	}
	return s, nil
}

// keyFile has the name of the config file, so that several may share a directory.
func (s *setup) keyFile() string {
	return strings.TrimSuffix(s.configFile, filepath.Ext(s.configFile)) + ".key"
}

func (s *setup) stateDir() string { return filepath.Join(filepath.Dir(s.configFile), "state") }

// check finds what speaks against the setup before anything is made.
func (s *setup) check() error {
	if _, err := os.Lstat(s.configFile); err == nil {
		return faultf(exitFailure, "name another file with --config FILE, or move this one away", "%s exists, and is never overwritten", s.configFile)
	}
	_, err := node.New(s.nodeConfig(""))
	return s.nodeFault(err)
}

func (s *setup) nodeConfig(stateDir string) node.Config {
	cfg := node.Config{Name: s.name, Network: s.network, Keys: crypto.Ring(s.key), StateDir: stateDir}
	for _, r := range s.relays {
		cfg.Relays = append(cfg.Relays, r.String())
	}
	return cfg
}

// nodeFault explains what the library does not accept.
func (s *setup) nodeFault(err error) error {
	var bad *node.ConfigError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		hint := bad.Hint
		if bad.Field == "Name" {
			hint = "choose a name with --name NAME"
		}
		return faultf(exitUsage, hint, "%s: %s", strings.ToLower(bad.Field), bad.Reason)
	}
	return s.writeFault(err)
}

// write makes the key file, the identity and, when all else is there, the
// config file. What it made before a failure is removed again, but for the
// identity, which harms nobody and is used the next time.
func (s *setup) write() (err error) {
	if err := os.MkdirAll(filepath.Dir(s.configFile), 0o700); err != nil {
		return s.writeFault(err)
	}
	defer func() {
		if err != nil {
			for _, file := range s.made {
				_ = os.Remove(file)
			}
		}
	}()
	if err := s.writeKey(); err != nil {
		return err
	}
	n, err := node.New(s.nodeConfig(s.stateDir()))
	if err != nil {
		return s.nodeFault(err)
	}
	s.identity = n.Identity()
	_ = n.Shutdown(context.Background()) // it never started
	err = s.create(s.configFile, func(file string) error {
		return writeNew(file, []byte(s.text()))
	})
	if errors.Is(err, fs.ErrExist) {
		return faultf(exitFailure, "somebody else has just made it; look into it first", "%s exists, and is never overwritten", s.configFile)
	}
	return s.writeFault(err)
}

// writeKey makes the key file. One that holds the same key will do: it is
// there when an earlier attempt was cut short.
func (s *setup) writeKey() error {
	err := s.create(s.keyFile(), func(file string) error { return crypto.SaveKey(file, s.key) })
	if !errors.Is(err, fs.ErrExist) {
		return s.writeFault(err)
	}
	if ring, err := crypto.LoadRing(s.keyFile()); err == nil && ring.Active().Equal(s.key) {
		return nil
	}
	return faultf(exitFailure, "name another config file with --config FILE, or move the key file away", "%s exists, and a key is never overwritten", s.keyFile())
}

// create makes a file that appears as a whole or not at all, and never takes
// the place of another: write makes it under a name of its own.
func (s *setup) create(file string, write func(file string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(file), ".fernmesh-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, filepath.Base(file))
	if err := write(fresh); err != nil {
		return err
	}
	if err := os.Link(fresh, file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := renameNew(fresh, file); err != nil {
			return err
		}
	}
	s.made = append(s.made, file)
	return nil
}

// renameNew is for file systems without hard links: between the look and the
// renaming another file could come and be lost.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "create", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *setup) writeFault(err error) error {
	if err == nil {
		return nil
	}
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return faultf(exitFailure, "choose a place that you may write to with --config FILE", "cannot write the files: %v", err)
}

// text is the config file.
func (s *setup) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Made by \"fernmesh %s\". What may be here: \"fernmesh help config\".\n\n", s.madeBy)
	fmt.Fprintf(&b, "network   = %s\nname      = %s\n", tomlText(s.network), tomlText(s.name))
	fmt.Fprintf(&b, "key_file  = %s\nstate_dir = \"state\"\n", tomlText(filepath.Base(s.keyFile())))
	if len(s.relays) > 0 {
		b.WriteString("relays    = [\n")
		for _, r := range s.relays {
			fmt.Fprintf(&b, "    %s,\n", tomlText(r.String()))
		}
		b.WriteString("]\n")
	}
	return b.String()
}

// tomlText quotes a text for the config file.
func tomlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case printable(r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
