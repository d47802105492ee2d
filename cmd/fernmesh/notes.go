package main

import (
	"context"
	"sync"

	"github.com/fernmesh/fernmesh/commands"
)

// Limits of the notes: other nodes fill this memory.
const (
	maxNotes    = 1000
	maxNoteSize = 64 << 10
)

// notes is a small store of texts, the example of commands with a state.
type notes struct {
	mu    sync.Mutex
	texts map[string]string
}

func newNotes() *notes { return &notes{texts: map[string]string{}} }

type noteName struct {
	Name string `json:"name" jsonschema:"name of the note"`
}

type noteInput struct {
	Name string `json:"name" jsonschema:"name of the note"`
	Text string `json:"text" jsonschema:"the text to keep"`
}

func (n *notes) set(_ context.Context, in noteInput) (int, error) {
	if len(in.Name)+len(in.Text) > maxNoteSize {
		return 0, commands.Errorf(commands.ResourceExhausted, "a note has at most %d bytes", maxNoteSize).DidNotRun()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, old := n.texts[in.Name]; !old && len(n.texts) >= maxNotes {
		return 0, commands.Errorf(commands.ResourceExhausted, "there are %d notes, and no more fit", maxNotes).DidNotRun()
	}
	n.texts[in.Name] = in.Text
	return len(n.texts), nil
}

func (n *notes) get(_ context.Context, in noteName) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, ok := n.texts[in.Name]
	if !ok {
		return "", commands.Errorf(commands.NotFound, "there is no note %q", in.Name)
	}
	return text, nil
}

func (n *notes) list(context.Context, struct{}) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return sortedKeys(n.texts), nil
}

func (n *notes) remove(_ context.Context, in noteName) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.texts[in.Name]
	delete(n.texts, in.Name)
	return ok, nil
}
