package commands

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// echoBoth is what __echo__ does: args and kwargs come back.
func echoBoth(_ context.Context, c *Call) (any, error) {
	args, err := c.Args()
	if err != nil {
		return nil, err
	}
	kwargs, err := c.Kwargs()
	return map[string]any{"args": args, "kwargs": kwargs}, err
}

// values are those that an interface gives back unchanged.
var values = []any{
	nil, true, false, int64(0), int64(-1), int64(1<<53 + 1), int64(math.MaxInt64), int64(math.MinInt64), uint64(math.MaxUint64),
	0.0, 1.5, -0.25, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), float64(1 << 53),
	"", "text", "grüße 灯 \u0000 \u2028 🌿", []byte{}, []byte{0, 255}, strings.Repeat("long ", 20000),
	[]any{}, map[string]any{}, []any{nil, []any{nil, map[string]any{"": nil}}}, map[string]any{"a.b": []any{int64(1)}, "__x__": ""},
	time.Unix(0, 0).UTC(), time.Date(2026, 11, 20, 1, 2, 3, 987654321, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(9999, 12, 31, 0, 0, 0, 1, time.UTC),
}

func TestS4_11_ValuesComeBackUnchanged(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("echo", echoBoth))
	kwargs := map[string]any{"all": values}
	rawArgs, err := EncodeArgs(values)
	must(t, err)
	rawKwargs, err := EncodeKwargs(kwargs)
	must(t, err)
	cmd, _ := tree.Find("echo")
	got := valueOf(t, cmd, &Call{RawArgs: rawArgs, RawKwargs: rawKwargs})
	if want := map[string]any{"args": values, "kwargs": kwargs}; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestNaNIsAValue(t *testing.T) { // the original's JSON had no legal form for it
	tree := NewTree()
	must(t, tree.Handle("nan", says(math.NaN())))
	if v, ok := ask(t, tree, "nan").(float64); !ok || !math.IsNaN(v) {
		t.Errorf("got %v", v)
	}
}

func TestNilIsAValue(t *testing.T) { // the original ran such a command again and again
	tree := NewTree()
	must(t, tree.Handle("nil", says(nil)))
	if v := ask(t, tree, "nil"); v != nil {
		t.Errorf("got %v", v)
	}
}

func TestS4_11_HandlerReceivesArgumentsAndCaller(t *testing.T) {
	tree := NewTree()
	var seen *Call
	must(t, tree.Handle("f", func(_ context.Context, c *Call) (any, error) { seen = c; return nil, nil }))
	args, err := EncodeArgs([]any{"red", 7, 2.0, []string{"a"}})
	must(t, err)
	kwargs, err := EncodeKwargs(map[string]any{"level": 3, "deep": map[string]int{"x": 1}})
	must(t, err)
	sent := &Call{RawArgs: args, RawKwargs: kwargs, Caller: Caller{Name: "kitchen", Verified: true, Path: "lan"}}
	cmd, _ := tree.Find("f")
	valueOf(t, cmd, sent)
	if seen != sent || seen.Caller.Name != "kitchen" {
		t.Fatalf("the handler saw %+v", seen)
	}
	if n, err := seen.NumArgs(); n != 4 || err != nil {
		t.Errorf("NumArgs = %d, %v", n, err)
	}
	check(t, "red")(Arg[string](seen, 0))
	check(t, int8(7))(Arg[int8](seen, 1))
	check(t, 2)(Arg[int](seen, 2))
	check(t, []string{"a"})(Arg[[]string](seen, 3))
	check(t, any(int64(7)))(Arg[any](seen, 1))
	checkNamed(t, 3, true)(Kwarg[int](seen, "level"))
	checkNamed(t, 0, false)(Kwarg[int](seen, "absent"))
	checkNamed(t, struct{ X *int8 }{}, false)(Kwarg[struct{ X *int8 }](seen, "absent"))
}

func check[T any](t *testing.T, want T) func(T, error) {
	return func(got T, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}

func checkNamed[T any](t *testing.T, want T, given bool) func(T, bool, error) {
	return func(got T, ok bool, err error) {
		t.Helper()
		check(t, want)(got, err)
		if ok != given {
			t.Errorf("given = %v", ok)
		}
	}
}

func TestBadArgumentsAreNamed(t *testing.T) {
	args, err := EncodeArgs([]any{300, map[string]any{"points": []any{map[string]any{"x": 1.5}}}, "secret word"})
	must(t, err)
	kwargs, err := EncodeKwargs(map[string]any{"level": -1})
	must(t, err)
	c := &Call{RawArgs: args, RawKwargs: kwargs}
	type point struct{ X int8 }
	for _, tc := range []struct {
		get  func() error
		want string
	}{
		{func() error { _, err := Arg[int8](c, 0); return err }, "argument 0: expected an integer from -128 to 127, got integer 300"},
		{func() error { _, err := Arg[int](c, 7); return err }, "argument 7: missing"},
		{func() error { _, err := Arg[int](c, -1); return err }, "argument -1: missing"},
		{func() error { _, err := Arg[map[string][]point](c, 1); return err }, "argument 1.points[0].x: unknown"},
		{func() error {
			_, err := Arg[map[string][]struct {
				X int8 `json:"x"`
			}](c, 1)
			return err
		}, "argument 1.points[0].x: expected an integer from -128 to 127, got number 1.5"},
		{func() error { _, err := Arg[int](c, 2); return err }, "argument 2: expected an integer from -9223372036854775808 to 9223372036854775807, got text"},
		{func() error { _, _, err := Kwarg[uint](c, "level"); return err }, "argument level: expected an integer from 0 to 18446744073709551615, got integer -1"},
		{func() error { _, _, err := Kwarg[chan int](c, "level"); return err }, "argument level: the type chan int does not travel"},
	} {
		var e *Error
		if err := tc.get(); !errors.As(err, &e) || e.Code != InvalidArgument || e.Message != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}

func TestMalformedArgumentsAreErrors(t *testing.T) {
	for _, raw := range []string{"\xc1", "\x91", "\xdd\xff\xff\xff\xff", "\x01", "\xa1x", "\x91\xa1\xff", "\x91\x01\x02"} {
		c := &Call{RawArgs: []byte(raw), RawKwargs: []byte(raw)}
		if _, err := c.Args(); !errors.Is(err, InvalidArgument) {
			t.Errorf("Args of %x: %v", raw, err)
		}
		if _, err := c.Kwargs(); !errors.Is(err, InvalidArgument) {
			t.Errorf("Kwargs of %x: %v", raw, err)
		}
	}
	empty := &Call{}
	if args, err := empty.Args(); args == nil || len(args) != 0 || err != nil {
		t.Errorf("no arguments: %v, %v", args, err)
	}
	if kwargs, err := empty.Kwargs(); kwargs == nil || len(kwargs) != 0 || err != nil {
		t.Errorf("no arguments: %v, %v", kwargs, err)
	}
}

func TestUnsendableArgumentsAreNamedAtTheCaller(t *testing.T) {
	_, byPlace := EncodeArgs([]any{1, make(chan int)})
	_, byName := EncodeKwargs(map[string]any{"f": map[string]any{"g": func() {}}})
	_, notAMap := EncodeInput(7)
	_, text := EncodeInput(struct{ Name string }{"\xff"})
	_, large := EncodeArgs([]any{make([]byte, 65<<20)})
	for _, tc := range []struct {
		err  error
		code Code
		want string
	}{
		{byPlace, InvalidArgument, "argument 1: the type chan int does not travel"},
		{byName, InvalidArgument, "argument f.g: the type func() does not travel"},
		{notAMap, InvalidArgument, "arguments: int is neither a struct nor a map"},
		{text, InvalidArgument, "argument Name: a string that is not UTF-8; send it as []byte"},
		{large, ResourceExhausted, "argument 0: takes more than 64 MiB"},
	} {
		var e *Error
		if !errors.As(tc.err, &e) || e.Code != tc.code || e.Message != tc.want || e.Executed != ExecutedNo || e.Where != WhereCaller {
			t.Errorf("got %v, want %s", tc.err, tc.want)
		}
	}
}

func TestDecodeValueLosesNothingSilently(t *testing.T) {
	raw, err := EncodeValue(map[string]any{"level": 300, "more": 1})
	must(t, err)
	var wide struct {
		Level int `json:"level"`
	}
	must(t, DecodeValue(raw, &wide))
	var narrow struct {
		Level int8 `json:"level"`
	}
	var e *Error
	if err := DecodeValue(raw, &narrow); !errors.As(err, &e) || e.Code != Internal || e.Executed != ExecutedYes || !strings.Contains(e.Message, "level: expected an integer from -128 to 127, got integer 300") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []any{nil, wide, (*int)(nil)} {
		if err := DecodeValue(raw, bad); err == nil {
			t.Errorf("decoded into %#v", bad)
		}
	}
}

func TestRawPassesUntouched(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("proxy", func(_ context.Context, c *Call) (any, error) { return Arg[Raw](c, 1) }))
	raw, err := EncodeValue(map[string]any{"a": []any{int64(1), "x"}})
	must(t, err)
	args, err := EncodeArgs([]any{0, Raw(raw)})
	must(t, err)
	cmd, _ := tree.Find("proxy")
	got, e := Invoke(t.Context(), cmd, &Call{RawArgs: args})
	if e != nil || string(got) != string(raw) {
		t.Errorf("%x, %v", got, e)
	}
	if _, err := EncodeValue(Raw("\x91")); err == nil {
		t.Error("a broken Raw is sent")
	}
}
