package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// keyReloader brings the key file of a running node into force again.
type keyReloader struct {
	node *node.Node
	file string // "" if the key came from FERNMESH_KEY

	mu sync.Mutex // so that what was read last is what is in force last
}

func newKeyReloader(n *node.Node, s *settings) *keyReloader {
	file, err := filepath.Abs(s.keyFile)
	if s.keyFile == "" || err != nil {
		file = s.keyFile
	}
	return &keyReloader{node: n, file: file}
}

// reload reads the key file and has the node use it. After an error the node
// goes on with the keys that it had. The value tells the file and its keys.
func (k *keyReloader) reload() (map[string]any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == "" {
		return nil, keyVariableFault()
	}
	ring, err := loadKeys(k.file)
	if err != nil {
		return nil, err
	}
	if err := k.node.SetKeys(ring); err != nil {
		return nil, err
	}
	return ringJSON(k.file, ring), nil
}

// reloadIf is reload if the node runs with that file, or file is "". Otherwise
// the value tells only with which one it runs.
func (k *keyReloader) reloadIf(file string) (map[string]any, error) {
	if file != "" && !sameFile(file, k.file) {
		return map[string]any{"file": k.file}, nil
	}
	return k.reload()
}

func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// keyVariableFault says that keys which came from the environment stay.
func keyVariableFault() error {
	return faultf(exitConfig, "put the key into a file that its owner alone may read, and name it with --key-file instead of "+keyVariable,
		"the key is in %s, which cannot change while a program runs", keyVariable)
}

// reloadOnHangup reads the key file, and the policy file if there is one, at
// each SIGHUP, until ctx ends. What is wrong is printed; what was in force stays.
func (m *Main) reloadOnHangup(ctx context.Context, n *node.Node, s *settings, keys *keyReloader) {
	for {
		select {
		case <-m.reloads:
		case <-ctx.Done():
			return
		}
		if _, err := keys.reload(); err != nil {
			m.noteFault("the keys before stay in force", err)
		} else {
			m.notef("the keys of %s are in force", escapeLine(keys.file))
		}
		if s.policy == "" {
			continue
		}
		if err := n.ReloadPolicy(); err != nil {
			m.noteFault("the policy before stays in force", err)
		} else {
			m.notef("the policy of %s is in force", escapeLine(s.policy))
		}
	}
}

// noteFault prints an error, with its hint, of a program that goes on.
func (m *Main) noteFault(text string, err error) {
	f := explain(err)
	m.notef("%s: %s", text, escapeLine(redactKeys(strings.ReplaceAll(f.text, "\n", "; "))))
	if f.hint != "" {
		m.notef("hint: %s", escapeLine(redactKeys(f.hint)))
	}
}

// ringJSON is a key ring in JSON output, without its keys.
func ringJSON(file string, ring crypto.KeyRing) map[string]any {
	list := []any{}
	for _, k := range ringRoles(ring) {
		list = append(list, map[string]any{"fingerprint": k.key.String(), "role": k.role})
	}
	return map[string]any{"file": file, "keys": list}
}

// ringRole is a key of a ring with what it is for.
type ringRole struct {
	key  crypto.Key
	role string
}

// ringRoles lists the keys of a ring as its file does.
func ringRoles(ring crypto.KeyRing) []ringRole {
	var list []ringRole
	for i, k := range ring.Usable() {
		role := "accept"
		if i == 0 {
			role = "active"
		}
		list = append(list, ringRole{k, role})
	}
	for _, k := range ring.Retired() {
		list = append(list, ringRole{k, "retired"})
	}
	return list
}
