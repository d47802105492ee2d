package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// lookupTimeout bounds one look-up of a static peer's host name.
const lookupTimeout = 10 * time.Second

// static is the source of one peer given as "host:port". It looks its host up
// again and again; while that fails, the addresses found before stay.
type static struct {
	s      *Service
	peer   string
	health *health
}

func newStatic(s *Service, peer string) *static {
	return &static{s: s, peer: peer, health: newHealth(SourceStatic, s.events, s.cfg.Logger)}
}

func (st *static) name() string { return SourceStatic }

func (st *static) run(ctx context.Context) {
	retry := st.s.cfg.Timers.backoff()
	for {
		addrs, err := st.lookup(ctx)
		if ctx.Err() != nil {
			return
		}
		st.health.set(st.peer, err)
		wait := jittered(st.s.cfg.Timers.Resolve)
		if err != nil {
			wait = retry.wait()
		} else {
			retry.reset()
			st.s.enterStatic(st.peer, addrs)
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

func (st *static) lookup(ctx context.Context) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(st.peer)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := st.s.cfg.Net.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("cannot look up the host: %w", err)
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("host %q has no address", host)
	}
	var addrs []netip.AddrPort
	for _, ip := range ips[:min(len(ips), maxAddrs)] {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return addrs, nil
}

// enterStatic enters the addresses of a static peer.
func (s *Service) enterStatic(peer string, addrs []netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	e := s.table.static[peer]
	kind := Updated
	if e == nil {
		e = &Entry{Host: peer, FirstSeen: now}
		s.table.static[peer] = e
		kind = Added
	}
	known := func(a Addr) bool { return slices.Contains(addrs, a.AddrPort) }
	same := len(e.Addrs) == len(addrs) && !slices.ContainsFunc(e.Addrs, func(a Addr) bool { return !known(a) })
	e.LastSeen, e.Addrs = now, nil
	for _, a := range addrs {
		e.Addrs = append(e.Addrs, Addr{AddrPort: a, Source: SourceStatic, Seen: now})
	}
	if kind == Added || !same {
		s.events.changed(kind, copyEntry(*e), "")
	}
}
