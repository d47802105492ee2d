package commands

import (
	"context"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/internal/wire"
)

const goodParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParseTraceParent(t *testing.T) {
	for _, test := range []struct {
		text string
		want string // "" = refused
	}{
		{goodParent, goodParent},
		{strings.Replace(goodParent, "-01", "-00", 1), strings.Replace(goodParent, "-01", "-00", 1)},
		{strings.Replace(goodParent, "-01", "-ff", 1), strings.Replace(goodParent, "-01", "-03", 1)},
		{"01" + goodParent[2:], goodParent},
		{"fe" + goodParent[2:] + "-more", goodParent},
		{"fe" + goodParent[2:] + "more", ""},
		{"ff" + goodParent[2:], ""},
		{goodParent + "-more", ""},
		{goodParent + " ", ""},
		{goodParent[:54], ""},
		{"", ""},
		{strings.ToUpper(goodParent), ""},
		{strings.Replace(goodParent, "-4bf", "_4bf", 1), ""},
		{strings.Replace(goodParent, "-00f", "_00f", 1), ""},
		{strings.Replace(goodParent, "-01", "_01", 1), ""},
		{strings.Replace(goodParent, "4bf9", "4bg9", 1), ""},
		{strings.Replace(goodParent, "-01", "-0x", 1), ""},
		{"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01", ""},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-" + strings.Repeat("0", 16) + "-01", ""},
	} {
		got, err := ParseTraceParent(test.text)
		if got.String() != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: %q, %v; want %q", test.text, got, err, test.want)
		}
		if err != nil && got != (TraceContext{}) {
			t.Errorf("%q: an error and %+v", test.text, got)
		}
	}
}

func TestTraceContextParts(t *testing.T) {
	c, err := ParseTraceParent(goodParent)
	if err != nil {
		t.Fatal(err)
	}
	if c.TraceID.String() != "4bf92f3577b34da6a3ce929d0e0e4736" || c.SpanID.String() != "00f067aa0ba902b7" || !c.Sampled() || !c.Valid() {
		t.Errorf("%+v", c)
	}
}

func TestTraceTravels(t *testing.T) {
	c, err := ParseTraceParent(goodParent)
	if err != nil {
		t.Fatal(err)
	}
	long := "v=" + strings.Repeat("x", 510)
	many := strings.TrimSuffix(strings.Repeat("v=1,", 32), ",")
	for _, test := range []struct{ state, arrives string }{
		{"", ""}, {"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"},
		{"tenant@system=a b , ,x=y", "tenant@system=a b , ,x=y"}, {long, long}, {many, many},
		{long + "x", ""}, {many + ",v=1", ""}, {"novalue", ""}, {"k=", ""}, {"=v", ""}, {"K=v", ""}, {"k=a=b", ""}, {"k=ä", ""}, {"k=a\n", ""},
	} {
		sent := c
		sent.State = test.state
		raw := sent.Encode()
		if len(raw) > maxTraceRaw {
			t.Errorf("state %.20q: %d bytes", test.state, len(raw))
		}
		if err := wire.Guard(raw, wire.Data); err != nil {
			t.Errorf("state %.20q: %v", test.state, err)
		}
		want := c
		want.State = test.arrives
		if got, ok := DecodeTrace(raw); !ok || got != want {
			t.Errorf("state %.20q: %+v, %v", test.state, got, ok)
		}
	}
	if raw := (TraceContext{State: "k=v"}).Encode(); raw != nil {
		t.Errorf("no trace travels as %x", raw)
	}
}

func TestMalformedTracesAreNone(t *testing.T) {
	encode := func(v any) []byte {
		raw, err := EncodeValue(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, raw := range [][]byte{
		nil, {0xc0}, {0xc1}, encode("text"), encode(7), encode([]any{goodParent}), encode(map[string]any{}),
		encode(map[string]any{"traceparent": 7}), encode(map[string]any{"traceparent": nil}), encode(map[string]any{"traceparent": "x"}),
		encode(map[string]any{"traceparent": goodParent, "a": strings.Repeat("x", maxTraceRaw)}),
		encode(map[string]any{"Traceparent": goodParent}), encode(map[string]any{"traceparent": goodParent})[:40],
	} {
		if c, ok := DecodeTrace(raw); ok || c != (TraceContext{}) {
			t.Errorf("%.60x: %+v", raw, c)
		}
	}
	for _, state := range []any{7, "bad", []any{}} {
		c, ok := DecodeTrace(encode(map[string]any{"later": 1, "traceparent": goodParent, "tracestate": state}))
		if !ok || c.String() != goodParent || c.State != "" {
			t.Errorf("with the state %v: %+v, %v; want the trace without it", state, c, ok)
		}
	}
}

func TestTraceOfAContext(t *testing.T) {
	c, err := ParseTraceParent(goodParent)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := TraceOf(context.Background()); ok {
		t.Errorf("a context without a trace has %v", got)
	}
	ctx := WithTrace(context.Background(), c)
	if got, ok := TraceOf(ctx); !ok || got != c {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := TraceOf(WithTrace(ctx, TraceContext{})); ok {
		t.Errorf("taken out of the trace, and still in %v", got)
	}
}

func FuzzTraceParent(f *testing.F) {
	f.Add(goodParent)
	f.Add("fe" + goodParent[2:] + "-more")
	f.Add(strings.Repeat("-", 55))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseTraceParent(s)
		if err != nil {
			if c != (TraceContext{}) {
				t.Fatalf("an error and %+v", c)
			}
			return
		}
		again, err := ParseTraceParent(c.String())
		if err != nil || again != c || !c.Valid() || len(c.String()) != parentLen || c.String()[3:52] != s[3:52] {
			t.Fatalf("%q became %q and then %+v, %v", s, c, again, err)
		}
	})
}

func FuzzDecodeTrace(f *testing.F) {
	c, err := ParseTraceParent(goodParent)
	if err != nil {
		f.Fatal(err)
	}
	c.State = "congo=t61rcWkgMzE"
	f.Add(c.Encode())
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, ok := DecodeTrace(raw)
		if again, same := DecodeTrace(c.Encode()); same != ok || again != c {
			t.Fatalf("%+v, %v became %+v, %v", c, ok, again, same)
		}
	})
}
