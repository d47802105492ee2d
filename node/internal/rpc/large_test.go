package rpc

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"testing"

	"github.com/fernmesh/fernmesh/commands"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// echoed calls echo with payload and checks what comes back.
func echoed(c *Conn, payload []byte) error {
	value, err := c.Call(context.Background(), request("echo", payload))
	if err != nil {
		return err
	}
	var back []any
	if err := commands.DecodeValue(value, &back); err != nil {
		return err
	}
	if !bytes.Equal(back[0].([]byte), payload) {
		return errors.New("another payload came back")
	}
	return nil
}

func TestLargePayloadsGoBothWaysOverTCP(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	e := connectTCP(t, a, b, Config{})
	for _, size := range []int{10 << 20, 64<<20 - 64} {
		payload := random(size)
		there, back := make(chan error), make(chan error)
		go func() { there <- echoed(e.a, payload) }()
		go func() { back <- echoed(e.b, payload) }()
		if err := errors.Join(<-there, <-back); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	checkIdle(t, "caller", e.a)
	checkIdle(t, "callee", e.b)
}

func TestTooLargeMessagesAreRefused(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{AssemblyBytes: 1 << 20})
	e := connectTCP(t, a, b, Config{})
	_, err := e.a.Call(t.Context(), Request{Path: "echo", Args: make([]byte, 64<<20)})
	wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
	// bob's budget is used up by the call, alice's by the answer.
	_, err = e.a.Call(t.Context(), request("echo", make([]byte, 2<<20)))
	wantFail(t, err, commands.ResourceExhausted, commands.ExecutedNo)
	a.handle(t, "large", func(context.Context, *commands.Call) (any, error) { return make([]byte, 2<<20), nil })
	_, err = e.b.Call(t.Context(), request("large"))
	wantFail(t, err, commands.ResourceExhausted, commands.ExecutedYes)
	mustCall(t, e.a, request("echo", make([]byte, 100<<10)))
	mustCall(t, e.b, request("echo", make([]byte, 100<<10)))
}

// A large message takes part in the link, it does not take it over: while one
// large call is under way, a small caller gets many calls through.
func TestLargeMessageDoesNotBlockSmallOnes(t *testing.T) {
	a, b := newParty(t, "alice", ServerConfig{}), newParty(t, "bob", ServerConfig{})
	e := connectTCP(t, a, b, Config{})
	large := make(chan error, 1)
	go func() { large <- echoed(e.a, random(48<<20)) }()
	for e.a.Pending() == 0 {
		runtime.Gosched()
	}
	small := 0
	for done := false; !done; small++ {
		mustCall(t, e.a, request("echo", small))
		select {
		case err := <-large:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
	}
	// 48 MiB are more than 3,000 chunks each way. One small call for every 100
	// of them is far less than fair and far more than waiting for the end.
	if small < 40 {
		t.Fatalf("%d small calls while one large was under way", small)
	}
	t.Logf("%d small calls during a call of 48 MiB both ways", small)
}
