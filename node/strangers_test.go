package node

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/crypto"
)

// A node that slept while the key was changed finds nobody, hears somebody, and
// is told what that may mean; one that is alone is not.
func TestStrangersAreHinted(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		sleeper := m.start("sleeper")
		hint := func() string {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			_, err := sleeper.Call(ctx, "awake", "__echo__")
			var e *commands.Error
			var unknown *UnknownNameError
			if !errors.As(err, &e) || !errors.As(err, &unknown) {
				t.Fatalf("the call ended with %v", err)
			}
			return e.Hint
		}
		if sleeper.Strangers() || strings.Contains(hint(), "another key") {
			t.Error("a node that is alone hears strangers")
		}
		m.start("awake", func(c *Config) { c.Keys = crypto.Ring(crypto.GenerateKey()) })
		if got := hint(); !sleeper.Strangers() || !strings.Contains(got, "another key") || !strings.Contains(got, "new key file") {
			t.Errorf("the hint is %q", got)
		}
	})
}

func TestStatePath(t *testing.T) {
	if got := StatePath("", "home", "kitchen"); got != "" {
		t.Errorf("no state directory: %q", got)
	}
	a, b := StatePath("s", "home", "A/b"), StatePath("s", "home", "a/b")
	if a == b || strings.Count(a, "b") != 1 || strings.ContainsAny(strings.TrimPrefix(a, "s"), "A") {
		t.Errorf("%q and %q", a, b)
	}
}
