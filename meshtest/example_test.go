package meshtest_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/meshtest"
	"github.com/fernmesh/fernmesh/sockets"
)

// Two hosts find each other's address by broadcast.
func ExampleWorld() {
	w := meshtest.NewWorld(1)
	defer w.Close()
	home := w.LAN("home", "10.1.0.0/24")
	kitchen, attic := w.Host("kitchen", home), w.Host("attic", home)

	ctx := context.Background()
	ears, _ := attic.ListenShared(ctx, sockets.Shared{Port: 3376})
	all, _ := kitchen.Interfaces()
	voice, _ := kitchen.ListenOn(ctx, all[1], kitchen.Addr())
	_ = voice.Write([]byte("who is there"), netip.MustParseAddrPort("10.1.0.255:3376"))

	buf := make([]byte, 100)
	d, _ := ears.Read(buf)
	fmt.Printf("%s asks %q\n", d.From.Addr(), buf[:d.N])
	// Output: 10.1.0.1 asks "who is there"
}

// In a synctest bubble time passes at once when everybody waits: this takes no
// real second.
func Example_virtualTime() {
	var t testing.T // a test has its own
	synctest.Test(&t, func(t *testing.T) {
		w := meshtest.NewWorld(1)
		defer w.Close()
		home := w.LAN("home", "10.1.0.0/24")
		home.SetLatency(500 * time.Millisecond)
		kitchen, attic := w.Host("kitchen", home), w.Host("attic", home)

		if _, err := attic.Listen(t.Context(), netip.MustParseAddrPort("[::]:4000")); err != nil {
			fmt.Println(err)
		}
		start := time.Now()
		_, err := kitchen.Dial(t.Context(), "attic:4000")
		fmt.Println("connected after", time.Since(start), err)
	})
	// Output: connected after 1s <nil>
}
