package commands

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// scaleSizes are numbers of commands. What one command costs to register, find
// and keep should not grow with them.
var scaleSizes = []int{1_000, 10_000, 100_000}

// BenchmarkTreeGrows registers commands one by one, in groups of 1,000 and all
// in one, and measures the time and the memory that each takes.
func BenchmarkTreeGrows(b *testing.B) {
	type in struct {
		Name  string `json:"name"`
		Level int    `json:"level"`
	}
	set := func(_ context.Context, in in) (int, error) { return in.Level, nil }
	kinds := []struct {
		name string
		add  func(*Tree, int) error
	}{
		{"groups", func(t *Tree, i int) error { return t.Handle(scalePath(i), echo) }},
		{"one group", func(t *Tree, i int) error { return t.Handle(fmt.Sprintf("all.command%d", i), echo) }},
		{"typed", func(t *Tree, i int) error { return Func(t, scalePath(i), set) }},
	}
	for _, kind := range kinds {
		for _, n := range scaleSizes {
			b.Run(fmt.Sprintf("%s/commands=%d", kind.name, n), func(b *testing.B) {
				var took time.Duration
				var memory int64
				for b.Loop() {
					before, start, tree := inUse(), time.Now(), NewTree()
					for i := range n {
						if err := kind.add(tree, i); err != nil {
							b.Fatal(err)
						}
					}
					took += time.Since(start)
					memory += inUse() - before
					runtime.KeepAlive(tree)
				}
				each := float64(b.N * n)
				b.ReportMetric(float64(took.Nanoseconds())/each, "ns/command")
				b.ReportMetric(float64(memory)/each, "B/command")
				b.ReportMetric(0, "ns/op") // of no meaning with the collections
			})
		}
	}
}

// BenchmarkTree looks things up in trees of several sizes.
func BenchmarkTree(b *testing.B) {
	for _, n := range scaleSizes {
		tree := NewTree()
		for i := range n {
			if err := tree.Handle(scalePath(i), echo); err != nil {
				b.Fatal(err)
			}
		}
		path := scalePath(n / 2)
		for _, op := range []struct {
			name string
			do   func() bool
		}{
			{"find", func() bool { _, err := tree.Find(path); return err == nil }},
			{"not found", func() bool { _, err := tree.Find(path + "x"); return err != nil }},
			{"describe", func() bool { _, err := tree.Describe(path); return err == nil }},
			{"replace", func() bool { return tree.Handle(path, echo, Replace()) == nil }},
			{"list group", func() bool { return len(tree.List("group0")) == 1000 }},
			{"page", func() bool { page, _ := tree.Page("", path, 100); return len(page) == 100 }},
			{"length", func() bool { return tree.Len() == n }},
			{"list all", func() bool { return len(tree.List("")) == n }},
		} {
			b.Run(fmt.Sprintf("%s/commands=%d", op.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if !op.do() {
						b.Fatal("it went wrong")
					}
				}
			})
		}
	}
}

func scalePath(i int) string { return fmt.Sprintf("group%d.command%d", i/1000, i) }

// inUse is the heap in use once all garbage is collected.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
