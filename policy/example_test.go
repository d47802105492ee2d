package policy_test

import (
	"fmt"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/policy"
)

// A policy is read from text, and asked.
func Example() {
	p, err := policy.Parse([]byte(`
group ops = name:attic observers
lamps: allow group:ops on lights.** rate=5/s
       deny  *         on door.**
default allow
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"lights.kitchen.set", "door.open", "time.now"} {
		path, err := commands.ParsePath(text)
		if err != nil {
			fmt.Println(err)
		}
		d := p.Decide(commands.Caller{Name: "attic"}, path)
		fmt.Println(text, d.Allowed, d.Rule)
	}
	// Output:
	// lights.kitchen.set true lamps
	// door.open false line 4
	// time.now true default
}

// Everything that is wrong is told at once, with its line.
func ExampleParse() {
	_, err := policy.Parse([]byte("allow name:attic lights.**\ndeny * on a..b\n"))
	fmt.Println(err)
	// Output:
	// line 1: a rule is callers, "on" and paths
	// line 2: a path is not usable: segment 2 is empty
}

// A guard keeps count of what each caller does.
func ExampleGuard() {
	p, err := policy.Parse([]byte("once: allow * on door.open concurrency=1"))
	if err != nil {
		fmt.Println(err)
	}
	guard := policy.NewGuard(p, 0)
	path, _ := commands.ParsePath("door.open")
	attic := commands.Caller{Name: "attic"}
	release, _ := guard.Admit(attic, path)
	_, refused := guard.Admit(attic, path)
	fmt.Println(refused.Code, refused.Executed, refused.Details["rule"])
	release()
	_, refused = guard.Admit(attic, path)
	fmt.Println(refused == nil)
	// Output:
	// RESOURCE_EXHAUSTED no once
	// true
}
