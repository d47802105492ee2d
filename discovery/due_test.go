package discovery

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Whatever is heard and expires, every live record is found by its claim, and
// every record is looked at in time.
func TestTableFindsAndExpiresAllItsRecords(t *testing.T) {
	cfg := Config{Timers: Timers{Expiry: 35 * time.Second, Remember: 20 * time.Second}, Limits: Limits{Table: 30, Remembered: 40, Observers: 4}}
	table := newTable(cfg, newEvents(cfg))
	draw := rand.New(rand.NewPCG(1, 2))
	now := time.Now()
	for step := range 20_000 {
		now = now.Add(time.Duration(draw.IntN(2000)) * time.Millisecond)
		a := here(fmt.Sprintf("n%d", draw.IntN(10)), uint64(step), addr("127.0.0.1"))
		a.instance = [16]byte{byte(draw.IntN(50))}
		a.millis, a.kind = int64(step), kindHere
		if draw.IntN(8) == 0 {
			a.kind = kindGoodbye
		}
		if a.hasKey = a.instance[0]%2 == 0; a.hasKey {
			a.nodeKey[0] = a.instance[0]%6 + 1
		}
		at := []Addr{{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(draw.IntN(3))}), 7000), Seen: now}}
		if cause, ok := table.judge(&a, at); ok {
			table.accept(&a, at, heardKey{}, now)
		} else if cause == 0 {
			t.Fatal("refused without a cause")
		}
		next := table.sweep(now)
		checkTable(t, table, now, next)
	}
	for range 3 {
		now = now.Add(time.Minute)
		table.sweep(now)
	}
	if len(table.records)+len(table.claims)+len(table.dues)+table.live != 0 {
		t.Errorf("after a long silence there are %d records, %d claims and %d dues", len(table.records), len(table.claims), len(table.dues))
	}
}

func checkTable(t *testing.T, table *table, now, next time.Time) {
	t.Helper()
	live, claimed := 0, 0
	for _, r := range table.records {
		if !r.until.After(now) || next.After(r.until) {
			t.Fatalf("at %v a record is due at %v, the next sweep at %v", now, r.until, next)
		}
		for _, a := range r.addrs {
			if silent := a.Seen.Add(table.timers.Expiry); !silent.After(now) || next.After(silent) {
				t.Fatalf("at %v an address is due at %v, the next sweep at %v", now, silent, next)
			}
		}
		if table.dues[r.place] != r {
			t.Fatal("a record is not in its place")
		}
		if r.live {
			live++
		}
		if slices.Contains(table.claims[r.claim()], r) != r.live {
			t.Fatalf("a record is live: %v, and found by its claim: %v", r.live, !r.live)
		}
	}
	for _, all := range table.claims {
		claimed += len(all)
	}
	if live != table.live || claimed != live || len(table.dues) != len(table.records) {
		t.Fatalf("%d live records are counted as %d and claimed by %d; %d dues of %d", live, table.live, claimed, len(table.dues), len(table.records))
	}
}
