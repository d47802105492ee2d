package relayserver

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// door counts connections and joins, in all and per address, and says who may
// come in. It keeps nothing of an address whose connections are gone, but for
// its joins of the last second.
type door struct {
	limits Limits
	perIP  bool

	mu      sync.Mutex
	open    int
	half    list.List // visits, the oldest first
	sources map[netip.Addr]*source
	swept   time.Time
	evicted int64
}

// source is what counts of one address.
type source struct {
	open, half int
	joins      float64 // spent and not yet regained
	at         time.Time
}

func newDoor(l Limits, perIP bool) *door {
	return &door{limits: l, perIP: perIP, sources: map[netip.Addr]*source{}}
}

// visit is one connection's part in the counts.
type visit struct {
	door   *door
	source *source // nil is exempt
	conn   net.Conn
	half   *list.Element // in the door's list; nil once joined
}

// enter counts a connection, or returns nil if there are too many.
func (d *door) enter(conn net.Conn) *visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.limits.Connections {
		return nil
	}
	s := d.source(conn.RemoteAddr())
	if s != nil {
		if s.open >= d.limits.ConnectionsPerIP || s.half >= d.limits.HalfOpenPerIP {
			return nil
		}
		s.open++
		s.half++
	}
	if d.half.Len() >= d.limits.HalfOpen {
		d.half.Front().Value.(*visit).evict()
	}
	d.open++
	v := &visit{door: d, source: s, conn: conn}
	v.half = d.half.PushBack(v)
	return v
}

// source returns what is counted of a remote address, nil if it is exempt.
func (d *door) source(remote net.Addr) *source {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok || !d.perIP {
		return nil
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return nil
	}
	if ip.Is6() {
		ip = netip.PrefixFrom(ip, 64).Masked().Addr()
	}
	now := time.Now()
	d.sweep(now)
	s := d.sources[ip]
	if s == nil {
		s = &source{at: now}
		d.sources[ip] = s
	}
	return s
}

// sweep forgets, once a second, the addresses that count no more.
func (d *door) sweep(now time.Time) {
	if now.Sub(d.swept) < time.Second {
		return
	}
	d.swept = now
	for ip, s := range d.sources {
		if s.open == 0 && now.Sub(s.at) >= time.Second {
			delete(d.sources, ip)
		}
	}
}

// join counts an attempt to join, and reports whether its address has one left.
func (v *visit) join() bool {
	if v.source == nil {
		return true
	}
	v.door.mu.Lock()
	defer v.door.mu.Unlock()
	rate, now := float64(v.door.limits.JoinsPerIP), time.Now()
	s := v.source
	s.joins = max(0, s.joins-rate*now.Sub(s.at).Seconds())
	s.at = now
	if s.joins+1 > rate {
		return false
	}
	s.joins++
	return true
}

// joined notes that the connection is no longer half open.
func (v *visit) joined() {
	v.door.mu.Lock()
	defer v.door.mu.Unlock()
	v.full()
}

// evict makes room for who comes later: with the oldest going, a flood of silent
// connections does not keep others out. The caller holds the door's mu.
func (v *visit) evict() {
	v.full()
	v.door.evicted++
	hangUp(v.conn)
}

// full takes the visit out of the half-open ones. The caller holds the door's mu.
func (v *visit) full() {
	if v.half == nil {
		return
	}
	v.door.half.Remove(v.half)
	v.half = nil
	if v.source != nil {
		v.source.half--
	}
}

// leave ends the visit.
func (v *visit) leave() {
	v.door.mu.Lock()
	defer v.door.mu.Unlock()
	v.full()
	v.door.open--
	if v.source != nil {
		v.source.open--
	}
}

func (d *door) counts() (open, half int, evicted int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.half.Len(), d.evicted
}
