package commands

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkLookupIn100000(b *testing.B) {
	tree := NewTree()
	fill(b, tree, 100_000)
	p, err := ParsePath("group7.command99907")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.Lookup(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNotFoundIn100000(b *testing.B) {
	tree := NewTree()
	fill(b, tree, 100_000)
	for b.Loop() {
		if _, err := tree.Find("group7.comand9990"); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkRegister100000(b *testing.B) {
	for b.Loop() {
		fill(b, NewTree(), 100_000)
	}
}

func BenchmarkRegister100000InOneGroup(b *testing.B) {
	for b.Loop() {
		tree := NewTree()
		for i := range 100_000 {
			if err := tree.Handle(fmt.Sprintf("all.command%d", i), echo); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func fill(tb testing.TB, tree *Tree, n int) {
	for i := range n {
		if err := tree.Handle(fmt.Sprintf("group%d.command%d", i%100, i), echo); err != nil {
			tb.Fatal(err)
		}
	}
}

func echo(_ context.Context, c *Call) (any, error) { return c.Args() }

func BenchmarkServePlain(b *testing.B) {
	tree := NewTree()
	if err := tree.Handle("echo", echo); err != nil {
		b.Fatal(err)
	}
	args, _ := EncodeArgs([]any{"some text of usual length", 7, true})
	benchServe(b, tree, "echo", &Call{RawArgs: args})
}

// BenchmarkServeTyped has 64 bytes of named arguments.
func BenchmarkServeTyped(b *testing.B) {
	type in struct {
		Name   string `json:"name"`
		Level  int    `json:"level"`
		Colour string `json:"colour"`
		On     bool   `json:"on"`
	}
	type out struct {
		Level int `json:"level"`
	}
	tree := NewTree()
	err := Func(tree, "set", func(_ context.Context, in in) (out, error) { return out{in.Level}, nil })
	if err != nil {
		b.Fatal(err)
	}
	kwargs, _ := EncodeInput(in{"kitchen ceiling lamp", 3, "warm white", true})
	b.SetBytes(int64(len(kwargs)))
	benchServe(b, tree, "set", &Call{RawKwargs: kwargs})
}

func benchServe(b *testing.B, tree *Tree, path string, c *Call) {
	b.ReportAllocs()
	ctx := context.Background()
	answer := func(_ []byte, err *Error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		cmd, err := tree.Find(path)
		if err != nil {
			b.Fatal(err)
		}
		Serve(ctx, cmd, c, answer)
	}
}
