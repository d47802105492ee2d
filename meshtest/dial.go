package meshtest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

const (
	synRetry   = time.Second     // doubled after each try
	synTries   = 7               // 127 s in all, as Linux does
	arpTimeout = 3 * time.Second // until a LAN without the host is noticed
	minPerAddr = 2 * time.Second // of a dial to a name with several addresses
)

// errUnanswered: nothing came back, try again.
var errUnanswered = errors.New("no answer")

// Dial opens a TCP connection to another host, or to the host itself, by
// address or by host name. Where nobody listens it fails at once; where the
// way is cut or the host is down, when ctx ends or after 127 s; where no host
// has the address, after 3 s.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, dialError(nil, err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, dialError(nil, &net.AddrError{Err: "invalid port", Addr: address})
	}
	addrs, err := h.Resolve(ctx, host)
	if err != nil {
		return nil, dialError(nil, err)
	}
	var first error
	for i, a := range addrs {
		to := netip.AddrPortFrom(a, uint16(port))
		c, err := h.dialAddr(ctx, to, len(addrs)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = dialError(net.TCPAddrFromAddrPort(to), err)
		}
	}
	return nil, first
}

// dialAddr dials one of so many addresses that are left and share the time.
func (h *Host) dialAddr(ctx context.Context, to netip.AddrPort, left int) (net.Conn, error) {
	if by, ok := ctx.Deadline(); ok && left > 1 {
		share := max(time.Until(by)/time.Duration(left), minPerAddr)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	start := time.Now()
	d, err := h.newDialling(to)
	if err != nil {
		return nil, err
	}
	for try := range synTries {
		c, err := d.try(ctx)
		if !errors.Is(err, errUnanswered) {
			return c, err
		}
		if err := d.sleepUntil(ctx, start.Add(synRetry<<(try+1)-synRetry)); err != nil {
			return nil, err
		}
		if time.Since(start) >= arpTimeout && d.nobody() {
			return nil, errNoHost
		}
	}
	return nil, syscall.ETIMEDOUT
}

// dialling is the making of one connection.
type dialling struct {
	from     *Host
	gone     chan struct{} // the host crashed
	lan      *LAN          // nil within the host
	src, dst netip.AddrPort
	remote   netip.AddrPort // dst, with its zone
}

func (h *Host) newDialling(to netip.AddrPort) (*dialling, error) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if h.w.closed {
		return nil, net.ErrClosed
	}
	out, src, err := h.route(to.Addr())
	if err != nil {
		return nil, err
	}
	return &dialling{
		from: h, gone: h.gone, lan: out.lan, remote: to,
		src: netip.AddrPortFrom(src, h.freePort()),
		dst: netip.AddrPortFrom(to.Addr().WithZone(""), to.Port()),
	}, nil
}

// try sends a SYN and waits for its answer; errUnanswered if there is none.
func (d *dialling) try(ctx context.Context) (net.Conn, error) {
	there, lost := d.weather()
	if lost {
		return nil, errUnanswered
	}
	if err := d.sleepUntil(ctx, time.Now().Add(there)); err != nil {
		return nil, err
	}
	e, refused := d.knock()
	if e == nil && !refused {
		return nil, errUnanswered
	}
	back, _ := d.weather()
	err := d.sleepUntil(ctx, time.Now().Add(back))
	switch {
	case err != nil && e != nil:
		d.from.w.mu.Lock()
		defer d.from.w.mu.Unlock()
		e.abort()
		return nil, err
	case err != nil:
		return nil, err
	case refused:
		return nil, syscall.ECONNREFUSED
	}
	return e, nil
}

// weather is how long a SYN or its answer takes and whether it gets lost.
func (d *dialling) weather() (time.Duration, bool) {
	d.from.w.mu.Lock()
	defer d.from.w.mu.Unlock()
	return d.lan.delay(), d.lan.loses()
}

// knock is the arrival of the SYN: it makes the connection, or is refused, or
// is not answered at all (both false).
func (d *dialling) knock() (e *endpoint, refused bool) {
	w := d.from.w
	w.mu.Lock()
	defer w.mu.Unlock()
	peer := d.from
	if d.lan != nil {
		in := d.lan.owner(d.dst.Addr())
		if in == nil {
			return nil, false
		}
		peer = in.host
	}
	if !w.carries(d.lan, d.from, d.src.Addr(), peer, d.dst.Addr()) ||
		!w.carries(d.lan, peer, d.dst.Addr(), d.from, d.src.Addr()) {
		return nil, false
	}
	for _, l := range peer.listeners {
		if !l.hears(d.dst) {
			continue
		}
		if len(l.queue) == backlog {
			return nil, false
		}
		k := w.connect(d.lan, d.from, peer, d.src, d.dst)
		k.client.remote = d.remote
		if in := peer.holder(d.lan, d.dst.Addr()); in != nil {
			k.server.remote = in.scoped(d.src)
		}
		l.queue = append(l.queue, k.server)
		l.ready.Signal()
		return k.client, false
	}
	return nil, true
}

// nobody tells whether no host of the LAN has the address.
func (d *dialling) nobody() bool {
	d.from.w.mu.Lock()
	defer d.from.w.mu.Unlock()
	return d.lan != nil && d.lan.owner(d.dst.Addr()) == nil
}

// sleepUntil waits for a time, the end of ctx, or a crash of the host.
func (d *dialling) sleepUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wait := time.Until(t)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.gone:
		return net.ErrClosed
	}
}

// Resolve knows the names of the world's hosts, and "localhost".
func (h *Host) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if host == "localhost" {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	for _, o := range h.w.hosts {
		if all := o.globalAddrs(); o.name == host && len(all) > 0 {
			return all, nil
		}
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func dialError(to net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: to, Err: err}
}
