package commands

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
)

type place struct {
	X, Y int16
}

type lamp struct {
	Name  string         `json:"name" jsonschema:"which lamp"`
	Level int8           `json:"level"`
	Fade  *time.Duration `json:"fade"`
	Tags  []string       `json:"tags,omitempty"`
	At    place          `json:"at,omitzero"`
	Extra map[string]any `json:"extra,omitempty"`
}

// lampTree has a typed command that keeps what it got.
func lampTree(t *testing.T) (tree *Tree, got *lamp, ran *int) {
	tree, got, ran = NewTree(), new(lamp), new(int)
	must(t, Func(tree, "lamp.set", func(ctx context.Context, in lamp) (place, error) {
		if _, ok := CallOf(ctx); !ok {
			t.Error("no call in the context")
		}
		*got = in
		*ran++
		return place{1, 2}, nil
	}, Doc("Set a lamp."), Idempotent()))
	return tree, got, ran
}

func callLamp(t *testing.T, tree *Tree, args []any, kwargs map[string]any) ([]byte, *Error) {
	t.Helper()
	rawArgs, err := EncodeArgs(args)
	must(t, err)
	rawKwargs, err := EncodeKwargs(kwargs)
	must(t, err)
	cmd, e := tree.Find("lamp.set")
	if e != nil {
		t.Fatal(e)
	}
	return Invoke(t.Context(), cmd, &Call{RawArgs: rawArgs, RawKwargs: rawKwargs})
}

func TestTypedArguments(t *testing.T) {
	second := time.Second
	for _, tc := range []struct {
		args   []any
		kwargs map[string]any
		want   lamp
	}{
		{nil, map[string]any{"name": "a", "level": 3}, lamp{Name: "a", Level: 3}},
		{[]any{"a", -128}, nil, lamp{Name: "a", Level: -128}},
		{[]any{"a"}, map[string]any{"level": 127.0}, lamp{Name: "a", Level: 127}},
		{[]any{"a", 3, "1s", []any{"x", "y"}, map[string]any{"X": 1, "Y": -2}, map[string]any{"k": 1.5}}, nil,
			lamp{"a", 3, &second, []string{"x", "y"}, place{1, -2}, map[string]any{"k": 1.5}}},
		{[]any{"a", 3, nil, nil}, nil, lamp{Name: "a", Level: 3}},
		{[]any{"a", 3, 1e9}, nil, lamp{Name: "a", Level: 3, Fade: &second}},
	} {
		tree, got, ran := lampTree(t)
		raw, e := callLamp(t, tree, tc.args, tc.kwargs)
		if e != nil {
			t.Errorf("%v %v: %v", tc.args, tc.kwargs, e)
			continue
		}
		if !reflect.DeepEqual(*got, tc.want) || *ran != 1 {
			t.Errorf("got %+v, want %+v", *got, tc.want)
		}
		var out place
		if must(t, DecodeValue(raw, &out)); out != (place{1, 2}) {
			t.Errorf("value %v", out)
		}
	}
}

func TestTypedArgumentsAreRefusedBeforeTheHandlerRuns(t *testing.T) {
	const int8s = "expected an integer from -128 to 127, got "
	for _, tc := range []struct {
		args   []any
		kwargs map[string]any
		want   string
	}{
		{[]any{"a", 300}, nil, "argument level: " + int8s + "integer 300"},
		{[]any{"a", -129}, nil, "argument level: " + int8s + "integer -129"},
		{[]any{"a", 1.5}, nil, "argument level: " + int8s + "number 1.5"},
		{[]any{"a", "3"}, nil, "argument level: " + int8s + "text"},
		{[]any{"a", true}, nil, "argument level: " + int8s + "a boolean"},
		{[]any{"a", nil}, nil, "argument level: " + int8s + "nil"},
		{[]any{"a", []any{1}}, nil, "argument level: " + int8s + "an array of 1"},
		{[]any{"a", map[string]any{}}, nil, "argument level: " + int8s + "a map"},
		{[]any{"a", time.Now()}, nil, "argument level: " + int8s + "a time"},
		{[]any{[]byte("secret")}, nil, "argument name: expected text, got bytes"},
		{[]any{nil, 1}, nil, "argument name: expected text, got nil"},
		{[]any{"a"}, nil, "argument level: missing; expected an integer from -128 to 127"},
		{nil, nil, "argument name: missing; expected text"},
		{[]any{"a", 1}, map[string]any{"colour": "red"}, "argument colour: unknown"},
		{[]any{"a", 1}, map[string]any{"Name": "b"}, "argument Name: unknown"},
		{[]any{"a", 1}, map[string]any{"a\nb": "b"}, `argument "a\nb": unknown`},
		{[]any{"a", 1}, map[string]any{"level": 1}, "argument level: given twice"},
		{[]any{"a", 1, nil, nil, place{}, nil, 7}, nil, "arguments: takes at most 6, got 7"},
		{[]any{"a", 1, nil, []any{"x", 7}}, nil, "argument tags[1]: expected text, got integer 7"},
		{[]any{"a", 1}, map[string]any{"at": map[string]any{"X": 1 << 15, "Y": 0}}, "argument at.X: expected an integer from -32768 to 32767, got integer 32768"},
		{[]any{"a", 1}, map[string]any{"at": map[string]any{"X": 1}}, "argument at.Y: missing; expected an integer from -32768 to 32767"},
		{[]any{"a", 1}, map[string]any{"at": map[string]any{"X": 1, "Y": 1, "Z": 1}}, "argument at.Z: unknown"},
		{[]any{"a", 1, "soon"}, nil, `argument fade: expected a duration (integer nanoseconds, or text such as "1.5s"), got another text`},
	} {
		tree, _, ran := lampTree(t)
		_, e := callLamp(t, tree, tc.args, tc.kwargs)
		if e == nil || e.Code != InvalidArgument || e.Message != tc.want || e.Executed != ExecutedNo || e.Where != WhereHandler {
			t.Errorf("%v %v:\ngot  %v\nwant %s", tc.args, tc.kwargs, e, tc.want)
		}
		if *ran != 0 {
			t.Errorf("%v %v: the handler ran", tc.args, tc.kwargs)
		}
	}
}

func TestTypedArgumentsFromHostileBytes(t *testing.T) {
	tree, _, ran := lampTree(t)
	cmd, _ := tree.Find("lamp.set")
	for _, raw := range []string{
		"\xc1", "\x01", "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\x92\xa1a", "\x92\xa1a\x01\x00",
		"\x82\xa4name\xa1a\xa4name\xa1a", "\x81\x01\x01", "\x82\xa4name\xa1a\xa5level\x01\x00", "\x82\xa4name\xa1a\xa5level\xc7\x01\x05x",
	} {
		for _, c := range []*Call{{RawArgs: []byte(raw)}, {RawKwargs: []byte(raw)}} {
			if _, e := Invoke(t.Context(), cmd, c); e == nil || e.Code != InvalidArgument || e.Executed != ExecutedNo {
				t.Errorf("%x: %v", raw, e)
			}
		}
	}
	if *ran != 0 {
		t.Error("the handler ran")
	}
}

func TestFuncRefusesTypesThatDoNotTravel(t *testing.T) {
	tree := NewTree()
	type Left struct{ X int }
	type Right struct{ X int }
	type twoOfAName struct {
		Left
		Right
	}
	type endless *endless
	for i, err := range []error{
		Func(tree, "f", func(context.Context, int) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, map[string]any) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, time.Time) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, struct{ C chan int }) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, struct{ C error }) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, struct{ M map[bool]int }) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, struct{ P endless }) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, twoOfAName) (int, error) { return 0, nil }),
		Func(tree, "f", func(context.Context, struct{}) (func(), error) { return nil, nil }),
		Func(tree, "f", func(context.Context, struct{}) (complex64, error) { return 0, nil }),
		Func[struct{}, int](tree, "f", nil),
		Func(tree, "a..b", func(context.Context, struct{}) (int, error) { return 0, nil }),
	} {
		if !errors.Is(err, InvalidArgument) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := tree.List(""); len(got) != 0 {
		t.Errorf("registered: %v", got)
	}
	must(t, Func(tree, "f", func(context.Context, *struct{}) (any, error) { return nil, nil }))
	refused(t, AlreadyExists, Func(tree, "f", func(context.Context, struct{}) (int, error) { return 0, nil }))
}

func TestDescriptionHoldsTheSchemas(t *testing.T) {
	tree, _, _ := lampTree(t)
	d, err := tree.Describe("lamp.set")
	must(t, err)
	if d.Path != "lamp.set" || d.Doc != "Set a lamp." || !d.Idempotent ||
		!slices.Equal(d.Arguments, []string{"name", "level", "fade", "tags", "at", "extra"}) {
		t.Errorf("%+v", d)
	}
	const want = `{"type":"object","properties":{` +
		`"name":{"type":"string","description":"which lamp"},` +
		`"level":{"type":"integer","minimum":-128,"maximum":127},` +
		`"fade":{"type":["null","integer","string"],"description":"nanoseconds, or text such as \"1.5s\""},` +
		`"tags":{"type":["null","array"],"items":{"type":"string"}},` +
		`"at":{"type":"object","properties":{"X":{"type":"integer","minimum":-32768,"maximum":32767},"Y":{"type":"integer","minimum":-32768,"maximum":32767}},"required":["X","Y"],"additionalProperties":false},` +
		`"extra":{"type":["null","object"],"additionalProperties":true}},` +
		`"required":["name","level"],"additionalProperties":false}`
	got, err := json.Marshal(d.Input)
	must(t, err)
	if string(got) != want {
		t.Errorf("input schema\n got %s\nwant %s", got, want)
	}
	raw, err := EncodeValue(d)
	must(t, err)
	var v map[string]any
	must(t, DecodeValue(raw, &v))
	if output, _ := v["output"].(map[string]any); output["type"] != "object" || v["path"] != "lamp.set" {
		t.Errorf("encoded description: %v", v)
	}
	must(t, tree.Handle("plain", echo))
	if d, err := tree.Describe("plain"); err != nil || d.Input != nil || d.Output != nil || d.Idempotent {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestSchemaAgreesWithTheDecoder asks both about the same arguments.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	tree, _, _ := lampTree(t)
	d, err := tree.Describe("lamp.set")
	must(t, err)
	schema, err := d.Input.Resolve(&jsonschema.ResolveOptions{})
	must(t, err)
	for _, text := range []string{
		`{}`, `{"name":"a"}`, `{"name":"a","level":1}`, `{"name":"a","level":128}`, `{"name":"a","level":1.5}`, `{"name":"a","level":2.0}`,
		`{"name":null,"level":1}`, `{"name":"a","level":1,"fade":null}`, `{"name":"a","level":1,"fade":5}`, `{"name":"a","level":1,"fade":[]}`,
		`{"name":"a","level":1,"tags":null}`, `{"name":"a","level":1,"tags":["x"]}`, `{"name":"a","level":1,"tags":[1]}`, `{"name":"a","level":1,"tags":{}}`,
		`{"name":"a","level":1,"at":null}`, `{"name":"a","level":1,"at":{"X":1}}`, `{"name":"a","level":1,"at":{"X":1,"Y":2}}`,
		`{"name":"a","level":1,"at":{"X":1,"Y":2,"Z":3}}`, `{"name":"a","level":1,"extra":{"x":[1,{}]}}`, `{"name":"a","level":1,"colour":1}`,
	} {
		var kwargs map[string]any
		must(t, json.Unmarshal([]byte(text), &kwargs))
		_, e := callLamp(t, tree, nil, kwargs)
		if err := schema.Validate(kwargs); (err == nil) != (e == nil) {
			t.Errorf("%s: schema says %v, decoder says %v", text, err, e)
		}
	}
}

func TestCallOfKnowsTheCaller(t *testing.T) {
	tree := NewTree()
	must(t, Func(tree, "who", func(ctx context.Context, _ struct{}) (string, error) {
		c, _ := CallOf(ctx)
		return c.Caller.Name, nil
	}))
	cmd, _ := tree.Find("who")
	if v := valueOf(t, cmd, &Call{Caller: Caller{Name: "kitchen"}}); v != "kitchen" {
		t.Errorf("got %v", v)
	}
	if _, ok := CallOf(t.Context()); ok {
		t.Error("a call out of nowhere")
	}
}

func TestEncodeInputIsTheOtherSideOfFunc(t *testing.T) {
	tree, got, _ := lampTree(t)
	cmd, _ := tree.Find("lamp.set")
	second := time.Second
	in := lamp{"a", 3, &second, []string{"x"}, place{1, 2}, map[string]any{"k": []any{nil}}}
	for _, input := range []any{in, &in} {
		raw, err := EncodeInput(input)
		must(t, err)
		*got = lamp{}
		if _, e := Invoke(t.Context(), cmd, &Call{RawKwargs: raw}); e != nil || !reflect.DeepEqual(*got, in) {
			t.Errorf("%+v, %v", *got, e)
		}
	}
	if raw, err := EncodeInput(nil); err != nil || string(raw) != "\x80" {
		t.Errorf("%x, %v", raw, err)
	}
}

// TestPathsAreOnlyNames: the original ran them as Python, which a path such as
// this one turned into any program.
func TestPathsAreOnlyNames(t *testing.T) {
	tree := NewTree()
	const path = `x"]=function;getattr(__import__("os"),"system")("true");{}["y`
	must(t, tree.Handle(path, says("just a name")))
	if v := ask(t, tree, path); v != "just a name" || !slices.Equal(tree.List(""), []string{path}) {
		t.Errorf("%v, %v", v, tree.List(""))
	}
	if d, err := tree.Describe(path); err != nil || !strings.HasPrefix(d.Path, "x") {
		t.Errorf("%v, %v", d, err)
	}
}
