package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fernmesh/fernmesh/crypto"
)

// told is a node of this machine that was told of a change of keys.
type told struct {
	node string
	err  error
}

// tell has the nodes of this machine that run with the key file read it again.
func (e keyEdit) tell(ctx context.Context, ring crypto.KeyRing) []told {
	var all []told
	for _, l := range e.runningNodes(ctx) {
		if t, concerned := e.tellOne(l, ring); concerned {
			all = append(all, t)
		}
		l.close()
	}
	return all
}

// tellOne tells one node; concerned is false if it runs with another file.
func (e keyEdit) tellOne(l *localNode, ring crypto.KeyRing) (t told, concerned bool) {
	answer, err := l.ask(defaultTimeout, map[string]any{"do": "reload-keys", "file": e.file})
	if err != nil {
		return told{node: "a node", err: localFault(err)}, true
	}
	t.node, _ = answer["node"].(string)
	if t.err = answerError(answer); t.err != nil {
		return t, true
	}
	value, _ := answer["value"].(map[string]any)
	keys, concerned := value["keys"]
	if concerned && compactJSON(keys) != compactJSON(ringJSON(e.file, ring)["keys"]) {
		t.err = errors.New("it read other keys than were written: the file was changed meanwhile")
	}
	return t, concerned
}

func (t told) text() string {
	if t.err != nil {
		return fmt.Sprintf("node %s was not told: %s", escapeLine(t.node), escapeLine(t.err.Error()))
	}
	return fmt.Sprintf("node %s uses it now", escapeLine(t.node))
}

func (t told) json() map[string]any {
	v := map[string]any{"node": t.node, "ok": t.err == nil}
	if t.err != nil {
		v["error"] = t.err.Error()
	}
	return v
}

// toldFault is nil if every node that runs took the change.
func toldFault(all []told) error {
	for _, t := range all {
		if t.err != nil {
			return faultf(exitFailure, "the file is written; restart that node, or send it a SIGHUP", "node %q was not told: %v", t.node, t.err)
		}
	}
	return nil
}
