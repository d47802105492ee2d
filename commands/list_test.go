package commands

import (
	"fmt"
	"slices"
	"testing"
)

func TestPagesMakeUpTheList(t *testing.T) {
	tree := NewTree()
	for i := range 250 {
		if err := tree.Handle(fmt.Sprintf("g%d.c%d", i%7, i), echo); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"", "g3", "g3.c3", "none"} {
		want := tree.List(prefix)
		var got []string
		after := ""
		for {
			page, left := tree.Page(prefix, after, 10)
			got = append(got, page...)
			if len(got)+left != len(want) {
				t.Fatalf("%q: %d of %d paths and %d left", prefix, len(got), len(want), left)
			}
			if left == 0 {
				break
			}
			if len(page) != 10 {
				t.Fatalf("%q: a page of %d", prefix, len(page))
			}
			after = page[9]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", prefix, got, want)
		}
	}
	if page, left := tree.Page("g3", "g3.c0", 0); len(page) != 0 || left != len(tree.List("g3")) {
		t.Errorf("a page of none: %v, %d left", page, left)
	}
	if page, _ := tree.Page("", "g0.c1", 1); len(page) != 1 || page[0] != "g0.c105" { // g0.c1 is no command
		t.Errorf("after a path that is not there: %v", page)
	}
}

func TestListsFollowTheTree(t *testing.T) {
	tree := NewTree()
	add := func(path string) {
		t.Helper()
		if err := tree.Handle(path, echo); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want ...string) {
		t.Helper()
		if got := tree.List(""); !slices.Equal(got, want) || tree.Len() != len(want) {
			t.Errorf("%v (%d), want %v", got, tree.Len(), want)
		}
	}
	add("b.x")
	check("b.x")
	add("a")
	tree.List("")[0] = "scribbled over"
	check("a", "b.x")
	add("b.y.z")
	check("a", "b.x", "b.y.z")
	if err := tree.Handle("b.x", echo, Replace()); err != nil {
		t.Fatal(err)
	}
	check("a", "b.x", "b.y.z")
	if err := tree.Remove("b.y"); err != nil {
		t.Fatal(err)
	}
	check("a", "b.x")
	if err := tree.Remove("b"); err != nil {
		t.Fatal(err)
	}
	check("a")
}

func TestCommandsOfOneFormShareTheirSchemas(t *testing.T) {
	tree := NewTree()
	input := func(path string) Description {
		t.Helper()
		if err := tree.Handle(path, echo, Input[struct{ Level int }](), Output[[]string]()); err != nil {
			t.Fatal(err)
		}
		d, err := tree.Describe(path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if a, b := input("a"), input("b"); a.Input != b.Input || a.Output != b.Output {
		t.Error("each has schemas of its own")
	}
}
