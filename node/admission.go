package node

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// admission guards the node's port against strangers. It bounds connections
// that are still in their handshake and slows sources whose handshakes fail.
// Handshakes that succeed cost nothing, so members never notice it.
type admission struct {
	limits Limits
	count  *counters

	mu       sync.Mutex
	halfOpen []*visitor // oldest first
	failures map[netip.Addr]*rate.Limiter
}

// visitor is one accepted connection in its handshake.
type visitor struct {
	conn   io.Closer
	source netip.Addr
	exempt bool
}

func newAdmission(l Limits, c *counters) *admission {
	return &admission{limits: l, count: c, failures: map[netip.Addr]*rate.Limiter{}}
}

// caller is the visitor of a connection. Limits apply to its address, or to the
// /64 of an IPv6 address, since whoever owns one address of a /64 owns them all.
func caller(conn net.Conn) *visitor {
	v := &visitor{conn: conn}
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return v
	}
	v.source = ap.Addr().Unmap().WithZone("")
	v.exempt = v.source.IsLoopback()
	if v.source.Is6() {
		prefix, _ := v.source.Prefix(64)
		v.source = prefix.Addr()
	}
	return v
}

// enter admits a connection to its handshake, or refuses it with false. When
// the house is full the oldest waiting visitor makes room: an honest handshake
// takes milliseconds, so it is the silent ones that are cut.
func (a *admission) enter(v *visitor) bool {
	addr := v.source
	a.mu.Lock()
	defer a.mu.Unlock()
	if lim := a.failures[addr]; !v.exempt && lim != nil && lim.Tokens() < 1 {
		a.count.RefusedSource.Add(1)
		return false
	}
	if !v.exempt && a.held(addr) >= a.limits.HalfOpenPerIP {
		a.cut(func(o *visitor) bool { return o.source == addr })
	}
	if len(a.halfOpen) >= a.limits.HalfOpen {
		a.cut(func(*visitor) bool { return true })
	}
	a.halfOpen = append(a.halfOpen, v)
	return true
}

// waiting tells how many connections are in their handshake.
func (a *admission) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.halfOpen)
}

func (a *admission) held(addr netip.Addr) int {
	n := 0
	for _, o := range a.halfOpen {
		if o.source == addr {
			n++
		}
	}
	return n
}

// cut closes the oldest visitor that matches. Its own goroutine calls leave.
func (a *admission) cut(match func(*visitor) bool) {
	for i, o := range a.halfOpen {
		if match(o) {
			a.halfOpen = append(a.halfOpen[:i], a.halfOpen[i+1:]...)
			a.count.CutHalfOpen.Add(1)
			_ = o.conn.Close() // the handshake that it ends reports the loss
			return
		}
	}
}

// leave ends the handshake of a visitor; a failed one is charged to its source.
func (a *admission) leave(v *visitor, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, o := range a.halfOpen {
		if o == v {
			a.halfOpen = append(a.halfOpen[:i], a.halfOpen[i+1:]...)
			break
		}
	}
	if ok || v.exempt {
		return
	}
	lim := a.failures[v.source]
	if lim == nil {
		a.makeRoom()
		lim = rate.NewLimiter(rate.Limit(a.limits.FailedPerSecond), a.limits.FailedBurst)
		a.failures[v.source] = lim
	}
	lim.AllowN(time.Now(), 1)
}

// makeRoom keeps the failure table bounded: sources that have recovered go
// first, and if none has, an arbitrary one.
func (a *admission) makeRoom() {
	if len(a.failures) < a.limits.Sources {
		return
	}
	for addr, lim := range a.failures {
		if lim.Tokens() >= float64(a.limits.FailedBurst) {
			delete(a.failures, addr)
		}
	}
	for addr := range a.failures {
		if len(a.failures) < a.limits.Sources {
			return
		}
		delete(a.failures, addr)
	}
}
