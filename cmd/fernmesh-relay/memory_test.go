package main

import (
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedEarlyUnlessGOGCSaysWhen(t *testing.T) {
	own := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(own) })
	for _, c := range []struct {
		gogc string
		want int
	}{{"", collectAt}, {"80", 100}} {
		p := &program{getenv: func(string) string { return c.gogc }}
		p.collectEarly()
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("GOGC=%q: garbage is collected at %d %%, want %d", c.gogc, got, c.want)
		}
	}
}
