package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/sockets"
)

// sockKey tells sockets apart: the two that listen have no interface.
type sockKey struct {
	index int        // of the interface; 0 for a listening socket
	addr  netip.Addr // own address; for a listening socket 0.0.0.0 or ::
}

func (k sockKey) listens() bool { return k.index == 0 }

// sock is an open socket. One that listens sends nothing.
type sock struct {
	sockets.Packets
	key     sockKey
	iface   sockets.Interface
	targets []netip.AddrPort // of a round
}

// part names the socket in reports.
func (k *sock) part() string { return partName(k.key, k.iface) }

func partName(key sockKey, ifc sockets.Interface) string {
	switch {
	case !key.listens():
		return fmt.Sprintf("%s %v", ifc.Name, key.addr)
	case key.addr.Is4():
		return "listening on IPv4"
	}
	return "listening on IPv6"
}

// attempt is what run remembers of a socket that could not be opened or broke.
type attempt struct {
	first   time.Time // of the failures since it was open last
	next    time.Time // not before then
	opened  time.Time // when it was opened last
	backoff backoff
}

// sending is added to the part of a socket that cannot send.
const sending = " sending"

// patience is how long an address may be unusable before that is reported: an
// IPv6 address is tentative for about 2 s.
const patience = 5 * time.Second

// reconcile looks at the interfaces and opens and closes sockets to match. It
// tells whether anything changed, so that it is worth asking anew.
func (u *udp) reconcile(ctx context.Context, now time.Time) (changed bool) {
	u.poll = now.Add(u.s.cfg.Timers.Poll)
	list, err := u.s.interfaces()
	u.health.set("interface list", err)
	if err != nil {
		return false
	}
	wanted := u.wanted(list)
	changed = u.drop(wanted)
	for _, w := range wanted {
		if u.adopt(w) {
			changed = true
		}
		if u.open(ctx, w, now) {
			changed = true
		}
	}
	u.join()
	u.ifaces = list
	u.forget(wanted)
	return changed
}

// interfaces returns the interfaces that the configuration chooses and that
// are up.
func (s *Service) interfaces() ([]sockets.Interface, error) {
	all, err := s.cfg.Net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("cannot list the interfaces: %w", err)
	}
	use := slices.DeleteFunc(slices.Clone(s.rules.Select(all)), func(i sockets.Interface) bool {
		return !i.Up || len(i.Prefixes) == 0
	})
	return use[:min(len(use), s.cfg.Limits.Interfaces)], nil
}

// wanted lists the sockets that the interfaces call for, without Packets: the
// listening ones last, so that what they hear can be answered.
func (u *udp) wanted(list []sockets.Interface) []*sock {
	var send []*sock
	for _, ifc := range list {
		send = append(send, sendersOn(ifc, u.s.cfg.AdvertPort)...)
	}
	all := send
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if slices.ContainsFunc(send, func(k *sock) bool { return k.key.addr.Is4() == any.Is4() }) {
			all = append(all, &sock{key: sockKey{addr: any}})
		}
	}
	return all
}

// drop closes the sockets that are not wanted any more.
func (u *udp) drop(wanted []*sock) (dropped bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, k := range u.socks {
		if !slices.ContainsFunc(wanted, func(w *sock) bool { return w.key == key }) {
			k.Close()
			delete(u.socks, key)
			dropped = true
		}
	}
	return dropped
}

// adopt gives an open socket the present addresses of its interface, and
// tells whether they are others than before.
func (u *udp) adopt(w *sock) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	k := u.socks[w.key]
	if k == nil || w.key.listens() {
		return false
	}
	same := slices.Equal(k.iface.Prefixes, w.iface.Prefixes)
	k.iface, k.targets = w.iface, w.targets
	return !same
}

// open opens a wanted socket unless it is open or not due, and tells whether
// it did.
func (u *udp) open(ctx context.Context, w *sock, now time.Time) bool {
	u.mu.Lock()
	isOpen := u.socks[w.key] != nil
	u.mu.Unlock()
	try := u.attempts[w.key]
	switch {
	case isOpen:
		u.health.set(w.part(), nil) // not at once: it might break as soon as it is read
		return false
	case try != nil && now.Before(try.next):
		u.pollBy(try)
		return false
	}
	p, err := u.bind(ctx, w)
	if err != nil {
		u.failedToOpen(w, try, err, now)
		return false
	}
	if try != nil {
		try.opened, try.first = now, time.Time{}
	}
	w.Packets = p
	u.mu.Lock()
	u.socks[w.key] = w
	u.mu.Unlock()
	u.readers.Go(func() { u.read(w) })
	return true
}

// pollBy sees to it that the next look is no later than the next attempt.
func (u *udp) pollBy(try *attempt) {
	if try.next.Before(u.poll) {
		u.poll = try.next
	}
}

func (u *udp) bind(ctx context.Context, w *sock) (sockets.Packets, error) {
	if w.key.listens() {
		return u.s.cfg.Net.ListenShared(ctx, sockets.Shared{IPv6: w.key.addr.Is6(), Port: u.s.cfg.AdvertPort})
	}
	return u.s.cfg.Net.ListenOn(ctx, w.iface, w.key.addr)
}

// failedToOpen plans the next attempt. An address that is not usable yet is
// tried often and reported only if it stays so.
func (u *udp) failedToOpen(w *sock, try *attempt, err error, now time.Time) {
	if try == nil {
		try = &attempt{backoff: u.s.cfg.Timers.backoff()}
		u.attempts[w.key] = try
	}
	if try.first.IsZero() {
		try.first = now
	}
	if errors.Is(err, sockets.ErrAddrUnavailable) && now.Sub(try.first) < patience {
		try.next = now.Add(u.s.cfg.Timers.FastPoll)
	} else {
		try.next = now.Add(try.backoff.wait())
		u.health.set(w.part(), err)
	}
	u.pollBy(try)
}

// join makes the listening sockets members of the groups on every interface;
// being one already is no error.
func (u *udp) join() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range u.socks {
		if k.key.listens() || !slices.ContainsFunc(k.targets, isGroup) {
			continue
		}
		any, group := netip.IPv6Unspecified(), groupV6
		if k.key.addr.Is4() {
			any, group = netip.IPv4Unspecified(), groupV4
		}
		if l := u.socks[sockKey{addr: any}]; l != nil {
			err := l.Join(sockets.Group{Interface: k.iface, Addr: group})
			u.health.set(fmt.Sprintf("%s group %v", k.iface.Name, group), err)
		}
	}
}

func isGroup(to netip.AddrPort) bool { return to.Addr().IsMulticast() }

// forget drops what is known about sockets that are not wanted any more.
func (u *udp) forget(wanted []*sock) {
	parts := map[string]bool{"interface list": true}
	keys := make(map[sockKey]bool)
	for _, w := range wanted {
		keys[w.key] = true
		parts[w.part()] = true
		parts[w.part()+sending] = true
		parts[fmt.Sprintf("%s group %v", w.iface.Name, groupV4)] = true
		parts[fmt.Sprintf("%s group %v", w.iface.Name, groupV6)] = true
	}
	u.health.keep(func(part string) bool { return parts[part] })
	for key := range u.attempts {
		if !keys[key] {
			delete(u.attempts, key)
		}
	}
}

// read hears what a socket receives until it is closed. A socket that breaks
// is closed and opened again.
func (u *udp) read(k *sock) {
	buf := make([]byte, wire.MaxAdvert+1)
	for {
		d, err := k.Read(buf)
		if err != nil {
			u.broke(k, err)
			return
		}
		ar := arrival{source: SourceUDP, from: d.From, on: u.receiving(k, d.Interface), direct: !k.key.listens()}
		if u.s.hear(buf[:d.N], ar) {
			u.answer(ar)
		}
	}
}

// broke takes a socket out of use whose reading failed, unless it was closed
// on purpose.
func (u *udp) broke(k *sock, err error) {
	k.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.socks[k.key] != k {
		return
	}
	delete(u.socks, k.key)
	u.broken = append(u.broken, k.key)
	u.health.set(k.part(), err)
	poke(u.failed)
}

// mend plans when the sockets that broke are opened again: the later, the
// shorter they lived.
func (u *udp) mend(now time.Time) {
	u.mu.Lock()
	broken := u.broken
	u.broken = nil
	u.mu.Unlock()
	for _, key := range broken {
		try := u.attempts[key]
		if try == nil || now.Sub(try.opened) > u.s.cfg.Timers.RetryMax {
			try = &attempt{backoff: u.s.cfg.Timers.backoff()}
			u.attempts[key] = try
		}
		try.next = now.Add(try.backoff.wait())
		u.pollBy(try)
	}
}

// receiving returns the interface on which a datagram arrived.
func (u *udp) receiving(k *sock, index int) sockets.Interface {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !k.key.listens() && (index == 0 || index == k.iface.Index) {
		return k.iface
	}
	for _, other := range u.socks {
		if index != 0 && other.iface.Index == index {
			return other.iface
		}
	}
	return sockets.Interface{}
}
