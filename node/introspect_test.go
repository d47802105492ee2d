package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/commands"
)

// described asks for the paths that __describe__ returns for a group.
func described(t *testing.T, n *Node, args map[string]any) (paths []string, more int) {
	t.Helper()
	got, err := Invoke[struct {
		Commands []struct {
			Path string `json:"path"`
		} `json:"commands"`
		More int `json:"more"`
	}](t.Context(), n, "b", "__describe__", args)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got.Commands {
		paths = append(paths, c.Path)
	}
	return paths, got.More
}

func TestDescribeAnswersForACommandAGroupAndAll(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Limits.Descriptions = 10 })
		type input struct {
			Colour string `json:"colour"`
		}
		handle(t, b, "lights.set", answer("on"), commands.Doc("Sets."), commands.Input[input](), commands.Output[string]())
		for i := range 25 {
			handle(t, b, fmt.Sprintf("many.c%02d", i), answer(nil))
		}
		reply, err := a.Call(t.Context(), "b", "__describe__", Args("lights.set"))
		if err != nil {
			t.Fatal(err)
		}
		v, _ := reply.Value()
		want := map[string]any{
			"path": "lights.set", "doc": "Sets.", "arguments": []any{"colour"}, "output": map[string]any{"type": "string"},
			"input": map[string]any{
				"type": "object", "properties": map[string]any{"colour": map[string]any{"type": "string"}},
				"required": []any{"colour"}, "additionalProperties": false,
			},
		}
		if diff := cmp.Diff(want, v); diff != "" {
			t.Errorf("of a command:\n%s", diff)
		}
		if paths, more := described(t, a, map[string]any{"path": "lights"}); !slices.Equal(paths, []string{"lights.set"}) || more != 0 {
			t.Errorf("of a group: %v, %d more", paths, more)
		}
		var all []string
		after := ""
		for range 5 {
			paths, more := described(t, a, map[string]any{"after": after})
			all = append(all, paths...)
			if more == 0 {
				break
			}
			if len(paths) != 10 {
				t.Fatalf("%d at once, want 10", len(paths))
			}
			after = paths[9]
		}
		if diff := cmp.Diff(b.Commands().List(""), all); diff != "" {
			t.Errorf("of all, page by page:\n%s", diff)
		}
		if cut := b.Stats().DescriptionsCut; cut != 3 {
			t.Errorf("%d answers were cut, want 3", cut)
		}
		_, err = a.Call(t.Context(), "b", "__describe__", Args(7))
		if e := failure(t, err); e.Code != commands.InvalidArgument || e.Executed != commands.ExecutedNo || e.Message != "argument path: expected text, got integer 7" {
			t.Errorf("of a number: %v", e)
		}
	})
}

func TestStatsOfAGroup(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b")
		for _, path := range []string{"lights", "lightshow.on", "door.open", "door.openly"} {
			handle(t, b, path, answer(nil))
			wantValue(t, a, "b", path, nil)
		}
		for prefix, want := range map[string][]string{
			"lights": {"lights"}, "lightshow": {"lightshow.on"}, "door": {"door.open", "door.openly"}, "door.open": {"door.open"}, "doo": nil,
			"": {"__stats__", "door.open", "door.openly", "lights", "lightshow.on"},
		} {
			got, err := Invoke[struct {
				Served   int            `json:"served"`
				Commands map[string]any `json:"commands"`
			}](t.Context(), a, "b", "__stats__", map[string]any{"path": prefix})
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for path := range got.Commands {
				paths = append(paths, path)
			}
			slices.Sort(paths)
			if !slices.Equal(paths, want) || got.Served < 4 {
				t.Errorf("%q: %v, want %v; %d served", prefix, paths, want, got.Served)
			}
		}
	})
}

func TestInfoTellsCommandsAndLimits(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		b := m.start("b", func(c *Config) { c.Limits.HandlersPerPeer = 17 })
		handle(t, b, "x.y", func(context.Context, *commands.Call) (any, error) { return nil, nil })
		info, err := Invoke[struct {
			Commands int            `json:"commands"`
			Limits   map[string]int `json:"limits"`
		}](t.Context(), b, "b", "__info__", nil)
		if err != nil {
			t.Fatal(err)
		}
		if info.Commands != len(b.Commands().List("")) || info.Limits["handlers_per_peer"] != 17 || info.Limits["value_bytes"] != 64<<20 {
			t.Errorf("%+v", info)
		}
	})
}

// nested is so deep that its schema does not travel within a list.
type nested struct {
	A struct {
		A struct {
			A struct {
				A struct {
					A struct {
						A struct{ A struct{ A innerNested } }
					}
				}
			}
		}
	}
}

type innerNested struct {
	A struct {
		A struct {
			A struct {
				A struct{ A struct{ A struct{ A int } } }
			}
		}
	}
}

func TestDescriptionsOfAGroupThatAreDeepOrLarge(t *testing.T) {
	inMesh(t, func(t *testing.T, m *mesh) {
		a, b := m.start("a"), m.start("b", func(c *Config) { c.Limits.DescriptionBytes = 5000 })
		if err := commands.Func(b.Commands(), "deep.one", func(context.Context, nested) (int, error) { return 0, nil }); err != nil {
			t.Fatal(err)
		}
		handle(t, b, "deep.two", answer(nil), commands.Doc("Two."))
		if paths, more := described(t, a, map[string]any{"path": "deep"}); !slices.Equal(paths, []string{"deep.one", "deep.two"}) || more != 0 {
			t.Errorf("%v, %d more", paths, more)
		}
		for i := range 4 {
			handle(t, b, fmt.Sprint("large.c", i), answer(nil), commands.Doc(strings.Repeat("x", 2000)))
		}
		handle(t, b, "larger.one", answer(nil), commands.Doc(strings.Repeat("x", 9000)))
		handle(t, b, "larger.two", answer(nil))
		if paths, more := described(t, a, map[string]any{"path": "large"}); len(paths) != 2 || more != 2 {
			t.Errorf("%v, %d more", paths, more)
		}
		if paths, more := described(t, a, map[string]any{"path": "larger"}); len(paths) != 1 || more != 1 {
			t.Errorf("%v, %d more", paths, more)
		}
	})
}
