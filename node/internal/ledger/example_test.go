package ledger_test

import (
	"fmt"

	"github.com/fernmesh/fernmesh/node/internal/ledger"
)

type caller struct{}

func (caller) Deliver(_ *ledger.Entry, o ledger.Outcome) { fmt.Printf("outcome: %s\n", o.Body) }

func Example() {
	memory := ledger.New(ledger.Limits{})
	defer memory.Close()
	link := memory.Attach(ledger.ByInstance([16]byte{1}))
	id := ledger.ID{Caller: [8]byte{2}, Counter: 1}

	verdict, entry, _ := link.Begin(id, false, true, nil, caller{})
	fmt.Println("new:", verdict == ledger.Run)
	entry.Finish(ledger.Outcome{Body: []byte("42")})

	verdict, _, kept := link.Begin(id, true, true, nil, caller{})
	fmt.Printf("repeat: %v %s\n", verdict == ledger.Kept, kept.Body)
	// Output:
	// new: true
	// outcome: 42
	// repeat: true 42
}
