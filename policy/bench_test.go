package policy

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkAdmit(b *testing.B) {
	many := strings.Builder{}
	for i := range 100 {
		fmt.Fprintf(&many, "deny name:n%d on x%d.** y%d\n", i, i, i)
	}
	for _, c := range []struct{ name, text string }{
		{"one rule", "allow name:attic on lights.**\ndefault deny"},
		{"hundred rules", many.String() + "allow name:attic on lights.**\ndefault deny"},
		{"rate and concurrency", "allow name:attic on lights.** rate=1000000/s burst=1000000 concurrency=4"},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := NewGuard(parse(b, c.text), 0)
			who, what := caller(b, "attic"), path(b, "lights.kitchen.set")
			b.ReportAllocs()
			for b.Loop() {
				if release, err := g.Admit(who, what); err == nil {
					release()
				}
			}
		})
	}
}
