package commands

import (
	"context"
	"errors"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

func TestInputIsCheckedBeforeAPlainHandlerRuns(t *testing.T) {
	type nested struct {
		At place `json:"at"`
		N  *int  `json:"n"`
	}
	tree, ran := NewTree(), 0
	must(t, tree.Handle("plain", func(_ context.Context, c *Call) (any, error) {
		ran++
		return Arg[place](c, 0)
	}, Input[nested](), Output[place]()))
	cmd, _ := tree.Find("plain")
	at := map[string]any{"X": 1, "Y": 2}
	for _, tc := range []struct {
		args   []any
		kwargs map[string]any
		want   string // "" is accepted
	}{
		{[]any{at}, nil, ""},
		{[]any{at, 3}, nil, ""},
		{nil, nil, "argument at: missing; expected a map"},
		{[]any{at, 3, 4}, nil, "arguments: takes at most 2, got 3"},
		{[]any{7}, nil, "argument at: expected a map, got integer 7"},
		{[]any{at}, map[string]any{"m": 1}, "argument m: unknown"},
		{[]any{at}, map[string]any{"at": at}, "argument at: given twice"},
		{[]any{map[string]any{"X": 1, "Y": "2"}}, nil, "argument at.Y: expected an integer from -32768 to 32767, got text"},
	} {
		args, err := EncodeArgs(tc.args)
		must(t, err)
		kwargs, err := EncodeKwargs(tc.kwargs)
		must(t, err)
		c, before := &Call{RawArgs: args, RawKwargs: kwargs}, ran
		_, e := Invoke(t.Context(), cmd, c)
		checked := cmd.Check(c)
		if tc.want == "" {
			if e != nil || checked != nil || ran != before+1 {
				t.Errorf("%v %v: %v, %v", tc.args, tc.kwargs, e, checked)
			}
			continue
		}
		for _, e := range []*Error{e, checked} {
			if e == nil || e.Code != InvalidArgument || e.Message != tc.want || e.Executed != ExecutedNo || e.Where != WhereHandler {
				t.Errorf("%v %v:\ngot  %v\nwant %s", tc.args, tc.kwargs, e, tc.want)
			}
		}
		if ran != before {
			t.Errorf("%v %v: the handler ran", tc.args, tc.kwargs)
		}
	}
	if d := cmd.Description(); len(d.Arguments) != 2 || d.Arguments[0] != "at" || d.Input.Type != "object" || d.Output.Type != "object" {
		t.Errorf("%+v", d)
	}
}

func TestSchemasOnlyDescribe(t *testing.T) {
	tree := NewTree()
	in := &jsonschema.Schema{Type: "object", PropertyOrder: []string{"b", "a"}, Required: []string{"a"}}
	must(t, tree.Handle("plain", says("hello"), Schemas(in, nil)))
	d, err := tree.Describe("plain")
	if must(t, err); d.Input != in || d.Output != nil || len(d.Arguments) != 2 || d.Arguments[0] != "b" {
		t.Errorf("%+v", d)
	}
	if v := ask(t, tree, "plain"); v != "hello" {
		t.Errorf("got %v", v)
	}
	if cmd, _ := tree.Find("plain"); cmd.Check(&Call{}) != nil {
		t.Error("a description was enforced")
	}
}

func TestInputAndOutputRefuseTypesThatDoNotTravel(t *testing.T) {
	tree := NewTree()
	for i, o := range []Option{Input[int](), Input[struct{ C chan int }](), Output[func()]()} {
		if err := tree.Handle("plain", says(1), o); !errors.Is(err, InvalidArgument) {
			t.Errorf("%d: %v", i, err)
		}
		if err := tree.HandleMap("", map[string]any{"plain": Handler(says(1))}, o); !errors.Is(err, InvalidArgument) {
			t.Errorf("%d, in a map: %v", i, err)
		}
	}
	if tree.Len() != 0 {
		t.Errorf("registered: %v", tree.List(""))
	}
}

func TestLenCountsCommands(t *testing.T) {
	tree := NewTree()
	for i, path := range []string{"a", "b.c", "b.d.e", "b.d.f"} {
		must(t, tree.Handle(path, says(i)))
		if tree.Len() != i+1 {
			t.Errorf("%d commands, want %d", tree.Len(), i+1)
		}
	}
	must(t, tree.Remove("b.d"))
	if tree.Len() != 2 {
		t.Errorf("%d commands after a group went, want 2", tree.Len())
	}
}
