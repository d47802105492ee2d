package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// says returns a handler whose value is v.
func says(v any) Handler { return func(context.Context, *Call) (any, error) { return v, nil } }

// ask calls path without arguments and returns the decoded value.
func ask(t testing.TB, tree *Tree, path string) any {
	t.Helper()
	cmd, e := tree.Find(path)
	if e != nil {
		t.Fatal(e)
	}
	return valueOf(t, cmd, &Call{})
}

func valueOf(t testing.TB, cmd *Command, c *Call) (v any) {
	t.Helper()
	raw, e := Invoke(t.Context(), cmd, c)
	if e != nil {
		t.Fatal(e)
	}
	must(t, DecodeValue(raw, &v))
	return v
}

func refused(t *testing.T, code Code, err error) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("got %v, want %v", err, code)
	}
}

func TestS4_8_ReservedRootsAreRefusedUnlessForced(t *testing.T) {
	tree := NewTree()
	refused(t, PermissionDenied, tree.Handle("__echo__", echo))
	refused(t, PermissionDenied, tree.HandleMap("", map[string]any{"a": Handler(echo), "__x__": map[string]any{"y": Handler(echo)}}))
	must(t, tree.Handle("__echo__", says("built in"), Force()))
	refused(t, PermissionDenied, tree.Handle("__echo__", echo, Replace()))
	refused(t, PermissionDenied, tree.Remove("__echo__"))
	must(t, tree.Handle("__echo__", says("mine"), Force()))
	if v := ask(t, tree, "__echo__"); v != "mine" {
		t.Errorf("__echo__ says %v", v)
	}
	must(t, tree.Remove("__echo__", Force()))
	if got := tree.List(""); len(got) != 0 {
		t.Errorf("left over: %v", got)
	}
}

func TestS4_8_ListIsSortedAndNested(t *testing.T) {
	tree := NewTree()
	for _, p := range []string{"b", "a.z", "a.b.c", "a-b", "a.b.a", "é", "Z"} {
		must(t, tree.Handle(p, echo))
	}
	for prefix, want := range map[string][]string{
		"":      {"Z", "a-b", "a.b.a", "a.b.c", "a.z", "b", "é"},
		"a":     {"a.b.a", "a.b.c", "a.z"},
		"a.b":   {"a.b.a", "a.b.c"},
		"a.z":   {"a.z"},
		"a.z.y": {}, "nothing": {}, "a.": {}, ".": {},
	} {
		if got := tree.List(prefix); got == nil || !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
}

func TestS4_9_RegisterOneFunction(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("path.to.function", says(1)))
	must(t, tree.Handle("path.to.another", says(2)))
	refused(t, AlreadyExists, tree.Handle("path.to.function", says(3)))
	refused(t, FailedPrecondition, tree.Handle("path.to.function.below", says(3)))
	refused(t, FailedPrecondition, tree.Handle("path.to.function.far.below", says(3), Replace()))
	refused(t, FailedPrecondition, tree.Handle("path.to", says(3), Replace()))
	refused(t, InvalidArgument, tree.Handle("path", nil))
	for _, bad := range badPaths {
		refused(t, InvalidArgument, tree.Handle(bad, echo))
	}
	must(t, tree.Handle("path.to.function", says(4), Replace()))
	if v := ask(t, tree, "path.to.function"); v != int64(4) {
		t.Errorf("replaced command says %v", v)
	}
	if got := tree.List(""); !slices.Equal(got, []string{"path.to.another", "path.to.function"}) {
		t.Errorf("List = %q", got)
	}
}

func TestS4_10_NestedMapAllOrNothing(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("top.taken", says("old")))
	nested := map[string]any{
		"a": Handler(says("a")), "b": map[string]any{"c": says("c"), "d": func(context.Context, *Call) (any, error) { return "d", nil }},
	}
	must(t, tree.HandleMap("", nested))
	must(t, tree.HandleMap("top", nested))
	if got := tree.List(""); !slices.Equal(got, []string{"a", "b.c", "b.d", "top.a", "top.b.c", "top.b.d", "top.taken"}) {
		t.Errorf("List = %q", got)
	}
	before := tree.List("")
	loop := map[string]any{}
	loop["x"] = loop
	for name, bad := range map[string]map[string]any{
		"taken":     {"new": says(1), "taken": says(2)},
		"not one":   {"new": says(1), "x": "text"},
		"nil":       {"new": says(1), "x": Handler(nil)},
		"dot":       {"new": says(1), "x.y": says(1)},
		"empty":     {"new": says(1), "": says(1)},
		"group":     {"new": says(1), "b": says(1)},
		"through":   {"new": says(1), "taken": map[string]any{"y": says(1)}},
		"cycle":     {"new": says(1), "z": loop},
		"deep fail": {"new": map[string]any{"new": says(1), "\n": says(1)}},
	} {
		if err := tree.HandleMap("top", bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if got := tree.List(""); !slices.Equal(got, before) {
			t.Fatalf("%s: tree is now %q", name, got)
		}
	}
	refused(t, InvalidArgument, tree.HandleMap("a..b", nested))
}

func TestS4_12_RemoveAndReplaceWhileCallsRun(t *testing.T) {
	tree := NewTree()
	begun, release := make(chan struct{}), make(chan struct{})
	must(t, tree.Handle("work", func(context.Context, *Call) (any, error) {
		close(begun)
		<-release
		return "old", nil
	}))
	old, _ := tree.Find("work")
	done := make(chan any)
	go func() {
		raw, _ := Invoke(context.Background(), old, &Call{})
		var v any
		_ = DecodeValue(raw, &v)
		done <- v
	}()
	<-begun
	must(t, tree.Handle("work", says("new"), Replace()))
	if v := ask(t, tree, "work"); v != "new" {
		t.Errorf("a new call got %v", v)
	}
	must(t, tree.Remove("work"))
	if _, err := tree.Find("work"); err == nil {
		t.Error("the removed command is found")
	}
	close(release)
	if v := <-done; v != "old" {
		t.Errorf("the old call got %v", v)
	}
}

func TestRemoveTakesAGroupAndEmptyParents(t *testing.T) {
	tree := NewTree()
	for _, p := range []string{"a.b.c", "a.b.d", "x.y.z"} {
		must(t, tree.Handle(p, echo))
	}
	must(t, tree.Remove("a.b"))
	must(t, tree.Handle("a", echo)) // the group a is gone with its last member
	must(t, tree.Remove("x.y.z"))
	must(t, tree.Handle("x", echo))
	for _, p := range []string{"nothing", "a.b", "x.y.z"} {
		refused(t, NotFound, tree.Remove(p))
	}
	refused(t, InvalidArgument, tree.Remove(""))
}

func TestS4_13_UnknownPath(t *testing.T) {
	tree := NewTree()
	for _, p := range []string{"lights.set", "lights.get", "lights.kitchen.set", "heating.set", "math.add"} {
		must(t, tree.Handle(p, echo))
	}
	for path, want := range map[string][]any{
		"lights.sett":    {"lights.set"},
		"lights.tes":     nil,
		"light.set":      {"lights.set"},
		"Lights.Set":     {"lights.set", "lights.get"},
		"ligths.gte":     {"lights.get"},
		"light.dim":      {"lights.get", "lights.kitchen.set", "lights.set"},
		"lights":         {"lights.get", "lights.kitchen.set", "lights.set"},
		"lights.kitchen": {"lights.kitchen.set"},
		"math.add.more":  {"math.add"},
		"nothing":        nil,
	} {
		_, err := tree.Find(path)
		if err.Code != NotFound || err.Executed != ExecutedNo || err.Where != WhereQueue || !strings.Contains(err.Message, path) {
			t.Errorf("%s: %v", path, err)
		}
		got, _ := err.Details["nearest"].([]any)
		if !slices.Equal(got, want) {
			t.Errorf("%s: nearest %v, want %v", path, got, want)
		}
		for _, name := range want {
			if !strings.Contains(err.Message, name.(string)) {
				t.Errorf("%s: %q does not name %s", path, err.Message, name)
			}
		}
		_, lookup := tree.Lookup(Path{path})
		refused(t, NotFound, lookup)
		_, describe := tree.Describe(path)
		refused(t, NotFound, describe)
	}
}

// TestManyCommandsInOneGroup would take hours if a registration copied its group.
func TestManyCommandsInOneGroup(t *testing.T) {
	tree := NewTree()
	const n = 100_000
	for i := range n {
		must(t, tree.Handle(fmt.Sprint("all.command", i), echo))
	}
	if got := tree.List("all"); len(got) != n || !slices.IsSorted(got) {
		t.Errorf("%d commands listed", len(got))
	}
	_, err := tree.Find("all.comand1")
	if nearest := err.Details["nearest"]; err.Code != NotFound || nearest != nil && len(nearest.([]any)) > 3 {
		t.Errorf("%v", err)
	}
}

func TestTreeUnderConcurrentUse(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("always", says("here")))
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				if _, err := tree.Find("always"); err != nil {
					t.Errorf("%v", err)
					return
				}
				// A map of two appears and goes as one.
				if n := len(tree.List("pair")); n != 0 && n != 2 {
					t.Errorf("half a pair is visible")
					return
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			for i := range 300 {
				p := fmt.Sprintf("w%d.x%d", w, i)
				if tree.Handle(p, echo) != nil || tree.Remove(p) != nil {
					t.Errorf("%s is not mine", p)
				}
				if w == 0 {
					_ = tree.HandleMap("pair", map[string]any{"a": Handler(echo), "b": Handler(echo)})
					_ = tree.Remove("pair")
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if got := tree.List(""); !slices.Equal(got, []string{"always"}) {
		t.Errorf("left: %v", got)
	}
}

func TestTreeAgainstModel(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "c", "dd"})
	path := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "segments"), ".")
	})
	rapid.Check(t, func(t *rapid.T) {
		tree, model := NewTree(), map[string]int{}
		for i := range rapid.IntRange(1, 80).Draw(t, "steps") {
			p := path.Draw(t, "path")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				replace := rapid.Bool().Draw(t, "replace")
				opts := []Option{Doc(fmt.Sprint(i))}
				if replace {
					opts = append(opts, Replace())
				}
				want := modelAllows(model, p, replace)
				if err := tree.Handle(p, echo, opts...); (err == nil) != want {
					t.Fatalf("Handle(%q, replace %v) = %v with %v", p, replace, err, model)
				}
				if want {
					model[p] = i
				}
			case 2:
				n := len(model)
				for q := range model {
					if q == p || strings.HasPrefix(q, p+".") {
						delete(model, q)
					}
				}
				if err := tree.Remove(p); (err == nil) != (len(model) < n) {
					t.Fatalf("Remove(%q) = %v", p, err)
				}
			}
			sameAsModel(t, tree, model, p)
		}
	})
}

func modelAllows(model map[string]int, p string, replace bool) bool {
	for q := range model {
		if q == p && !replace || strings.HasPrefix(q, p+".") || strings.HasPrefix(p, q+".") {
			return false
		}
	}
	return true
}

func sameAsModel(t *rapid.T, tree *Tree, model map[string]int, p string) {
	var want []string
	for q := range model {
		want = append(want, q)
	}
	slices.Sort(want)
	if got := tree.List(""); !slices.Equal(got, want) {
		t.Fatalf("List = %q, want %q", got, want)
	}
	d, err := tree.Describe(p)
	if i, ok := model[p]; ok != (err == nil) || ok && d.Doc != fmt.Sprint(i) {
		t.Fatalf("Describe(%q) = %v, %v", p, d, err)
	}
}
