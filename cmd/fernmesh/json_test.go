package main

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestJSONKeepsValuesExactly(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{
		{nil, `null`},
		{true, `true`},
		{int64(1)<<53 + 1, `9007199254740993`},
		{int64(math.MinInt64), `-9223372036854775808`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{1.0, `1.0`},
		{1e21, `1e+21`},
		{0.1, `0.1`},
		{math.Inf(-1), `{"$float":"-Infinity"}`},
		{math.Inf(1), `{"$float":"Infinity"}`},
		{"a\"\\\n\t\x00\u007f\u009b\u202e<🌿\U000e0041", `"a\"\\\n\t\u0000\u007f\u009b\u202e<🌿\udb40\udc41"`},
		{[]byte{0, 255}, `{"$bytes":"AP8="}`},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `{"$time":"2026-01-02T03:04:05.000000006Z"}`},
		{[]any{}, `[]`},
		{map[string]any{}, `{}`},
		{map[string]any{"b": []any{int64(1), "x"}, "a": nil}, `{"a":null,"b":[1,"x"]}`},
	} {
		text := compactJSON(test.v)
		if text != test.want {
			t.Errorf("the JSON of %#v is %s, want %s", test.v, text, test.want)
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON", text)
		}
		back, err := parseJSON(text)
		if err != nil || !reflect.DeepEqual(back, test.v) {
			t.Errorf("%s came back as %#v, %v", text, back, err)
		}
	}
	if got := compactJSON(math.NaN()); got != `{"$float":"NaN"}` {
		t.Errorf("the JSON of NaN is %s", got)
	}
	if v, _ := parseJSON(`{"$float":"NaN"}`); !math.IsNaN(v.(float64)) {
		t.Errorf("NaN came back as %v", v)
	}
}

func TestIndentedJSON(t *testing.T) {
	got := indentedJSON(map[string]any{"a": []any{int64(1), map[string]any{}}})
	want := "{\n  \"a\": [\n    1,\n    {}\n  ]\n}"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseJSONRefusesWhatACallCannotCarry(t *testing.T) {
	for text, want := range map[string]string{
		`18446744073709551616`: "does not fit",
		`1e999`:                "does not fit",
		`{"a":1,"a":2}`:        `"a" is there twice`,
		strings.Repeat("[", 33) + strings.Repeat("]", 33): "deeper than 32",
		`{"$bytes":"&"}`:     "base64",
		`{"$time":"today"}`:  "needs a time",
		`{"$float":"1"}`:     "needs NaN",
		"\"\xff\"":           "UTF-8",
		`"\ud800"`:           "half of a surrogate pair",
		`{"\udfff": [1]}`:    "half of a surrogate pair",
		`["\\\ud800\u0041"]`: "half of a surrogate pair",
	} {
		v, err := parseJSON(text)
		if err == nil || errors.Is(err, errNotJSON) || !strings.Contains(err.Error(), want) {
			t.Errorf("parseJSON(%.40q) = %v, %v; want an error with %q", text, v, err, want)
		}
	}
	for _, text := range []string{"", "hello", "007", "1 2", "{", "[1,]", "NaN", "'x'"} {
		if v, err := parseJSON(text); !errors.Is(err, errNotJSON) {
			t.Errorf("parseJSON(%q) = %v, %v; want errNotJSON", text, v, err)
		}
	}
	for text, want := range map[string]string{`"\ud83c\udf3f"`: "🌿", `"\\ud800"`: `\ud800`} {
		if v, err := parseJSON(text); v != want {
			t.Errorf("parseJSON(%s) = %q, %v", text, v, err)
		}
	}
}
