package main

import (
	"fmt"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

func setTrust(s *settings, values []string) (err error) {
	s.trust, err = node.ParseTrust(values[len(values)-1])
	return err
}

// keyList takes identity keys of nodes.
func keyList(store func(*settings, []crypto.NodeKey)) func(*settings, []string) error {
	return func(s *settings, values []string) error {
		texts, err := elements(values)
		if err != nil {
			return err
		}
		var keys []crypto.NodeKey
		for i, text := range texts {
			key, err := crypto.ParseNodeKey(text)
			if err != nil {
				return fmt.Errorf("must be identity keys, \"node:…\", as \"fernmesh peers\" shows them; number %d is not", i+1)
			}
			keys = append(keys, key)
		}
		store(s, keys)
		return nil
	}
}
