package link

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernmesh/fernmesh/internal/wire"
)

func TestCapabilitiesAreReadWithCare(t *testing.T) {
	for name, c := range map[string]struct {
		in   map[string]any
		want Capabilities
	}{
		"nothing":               {nil, Capabilities{}},
		"unknown keys":          {map[string]any{"colour": "red", "up": 5}, Capabilities{Up: 5 * time.Millisecond}},
		"negative age":          {map[string]any{"held": -5}, Capabilities{}},
		"age beyond a duration": {map[string]any{"up": int64(1<<63 - 1)}, Capabilities{Up: 100 * 365 * 24 * time.Hour}},
		"negative limit":        {map[string]any{"limits": map[string]any{"x": -1}}, Capabilities{Limits: map[string]uint64{"x": 0}}},
		"observer":              {map[string]any{"observer": true}, Capabilities{Observer: true}},
		"status": {
			map[string]any{"status": wire.AppendStatus(nil, wire.Status{Revision: 2, Tags: []string{"up"}})},
			Capabilities{Status: wire.Status{Revision: 2, Tags: []string{"up"}}},
		},
		"services with versions": {map[string]any{"services": map[string]any{"a": "1"}}, Capabilities{Services: map[string]string{"a": "1"}}},
	} {
		b, err := wire.Marshal(c.in)
		if c.in == nil {
			b = []byte{0x80}
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeCapabilities(b)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	services, limits := map[string]any{}, map[string]any{}
	for i := range 33 {
		services[fmt.Sprint("s", i)], limits[fmt.Sprint("l", i)] = "1", 1
	}
	for _, bad := range []map[string]any{
		{"product": strings.Repeat("p", 65)}, {"version": "1\x1b[2J"}, {"services": services}, {"limits": limits},
		{"services": map[string]any{"a.b": "1"}}, {"services": map[string]any{"a": strings.Repeat("1", 33)}},
		{"limits": map[string]any{strings.Repeat("l", 33): 1}},
		{"product": 1}, {"held": "long"}, {"observer": 1}, {"services": []any{}},
		{"services": map[string]any{"a": 1}}, {"limits": map[string]any{"a": "b"}}, {"up": uint64(1 << 63)},
	} {
		b, err := wire.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeCapabilities(b); err == nil {
			t.Errorf("%v: read as %+v", bad, got)
		}
	}
}

func FuzzCapabilities(f *testing.F) {
	f.Add([]byte{0x80})
	f.Add(Capabilities{
		Product: "p", Version: "v", Services: map[string]string{"s": "1"},
		Limits: map[string]uint64{"l": 1}, Held: time.Hour, Up: time.Hour, Observer: true,
		Status: wire.Status{Revision: 1, Services: []wire.Service{{Name: "heat", Ready: true}}},
	}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCapabilities(b)
		if err != nil {
			return
		}
		if c.Held < 0 || c.Up < 0 {
			t.Fatalf("negative age: %+v", c)
		}
		again, err := decodeCapabilities(c.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Services) == 0 {
			c.Services = nil
		}
		if len(c.Limits) == 0 {
			c.Limits = nil
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
