package main

import (
	"reflect"
	"testing"

	"github.com/fernmesh/fernmesh/node"
)

func TestTargetsAreOneOrMany(t *testing.T) {
	for text, want := range map[string]target{
		"kitchen":                  {one: true},
		"any(heat)":                {one: true},
		"any(heat":                 {one: true}, // a name, as far as one can tell here
		"*":                        {many: node.Everyone},
		"kitchen,":                 {many: node.Nodes("kitchen")},
		"a, b ,a":                  {many: node.Nodes("a", "b", "a")},
		"group(heat)":              {many: node.Group("heat")},
		"tag(up)":                  {many: node.Tagged("up")},
		"tag(up),":                 {many: node.Tagged("up")},
		"a,any(x),group(y),tag(z)": {many: node.Union(node.Nodes("a", "any(x)"), node.Group("y"), node.Tagged("z"))},
		"*,a":                      {many: node.Union(node.Everyone, node.Nodes("a"))},
	} {
		got, err := parseTarget(text)
		want.text = text
		if !want.one {
			want.many = node.Union(want.many)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", " , "} {
		if got, err := parseTarget(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
