package node

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fernmesh/fernmesh/sockets"
)

// wakeJump is how late a look may come, by either clock, before the machine is
// taken to have slept.
const wakeJump = 10 * time.Second

// relinkAtOnce is how many links are made anew at once after a change of the
// network.
const relinkAtOnce = 8

var (
	errSlept   = errors.New("the machine slept")
	errAddress = errors.New("this machine's address changed")
)

// surroundings is what the node last saw of the machine it runs on. The
// goroutine of maintain looks; others wait for changes.
type surroundings struct {
	wall, looked time.Time          // when it last looked, by the two clocks
	addrs        map[netip.Addr]int // of the interfaces, with their index
	missing      map[netip.Addr]int // gone at the last look, for the first time

	mu      sync.Mutex
	changed chan struct{} // closed and renewed when the network has changed
}

func newSurroundings() *surroundings { return &surroundings{changed: make(chan struct{})} }

// news is closed at the next change of the network.
func (v *surroundings) news() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

func (v *surroundings) tell() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.changed)
	v.changed = make(chan struct{})
}

// slept tells whether the machine slept since the last look: the wall clock runs
// on meanwhile, the monotonic clock does on some systems.
func (v *surroundings) slept(wall, now time.Time) bool {
	late := !v.looked.IsZero() && max(wall.Sub(v.wall), now.Sub(v.looked)) > maintainEvery+wakeJump
	v.wall, v.looked = wall, now
	return late
}

// moved compares the addresses with those of the last look. Stale are those that
// are gone: at once if their interface has others now, else at the second look,
// since an interface may be off for a moment and keep its connections. Notable
// tells that others may reach this node elsewhere now; link-local addresses come
// and go with every virtual interface.
func (v *surroundings) moved(list []sockets.Interface) (stale map[netip.Addr]bool, notable bool) {
	addrs, indexes := map[netip.Addr]int{}, map[int]bool{}
	for _, ifc := range list {
		for _, p := range ifc.Prefixes {
			if !p.Addr().IsLoopback() && ifc.Up {
				addrs[plain(p.Addr())], indexes[ifc.Index] = ifc.Index, true
			}
		}
	}
	stale, missing := map[netip.Addr]bool{}, map[netip.Addr]int{}
	for addr, index := range v.addrs {
		if _, there := addrs[addr]; there {
			continue
		}
		if _, twice := v.missing[addr]; twice || indexes[index] {
			stale[addr] = true
			notable = notable || !addr.IsLinkLocalUnicast()
		} else {
			missing[addr] = index
		}
	}
	for addr := range addrs {
		if _, before := v.addrs[addr]; !before {
			notable = notable || v.addrs != nil && !addr.IsLinkLocalUnicast()
		}
	}
	v.addrs, v.missing = addrs, missing
	maps.Copy(v.addrs, missing)
	return stale, notable
}

// plain is an address without what does not tell hosts' addresses apart.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// isAt tells whether a socket is bound to one of the addresses.
func isAt(local net.Addr, addrs map[netip.Addr]bool) bool {
	if local == nil {
		return false
	}
	ap, err := netip.ParseAddrPort(local.String())
	return err == nil && addrs[plain(ap.Addr())]
}

// lookAround notices that the machine slept, or that its addresses changed.
func (n *Node) lookAround(now time.Time) {
	if n.around.slept(n.cfg.wall(), now) {
		n.count.Resumes.Add(1)
		n.networkChanged(errSlept, true, func(net.Addr) bool { return true })
	}
	list, err := n.cfg.Net.Interfaces()
	if err != nil {
		return // discovery reports it
	}
	stale, notable := n.around.moved(list)
	if notable {
		n.count.AddressChanges.Add(1)
	}
	if notable || len(stale) > 0 {
		n.networkChanged(errAddress, notable, func(local net.Addr) bool { return isAt(local, stale) })
	}
}

// networkChanged ends every link and relay connection whose local address is
// dead, makes those links anew and, if the change is notable, tells everybody where
// this node is now. Calls under way go on over what comes up first.
func (n *Node) networkChanged(why error, notable bool, dead func(net.Addr) bool) {
	var lost []*session
	for _, s := range n.roster.all() {
		if s.key == lanPath && dead(s.link.Local()) {
			lost = append(lost, s)
		}
	}
	for _, s := range lost {
		s.parting.Store(true)
		n.roster.reconsider(s, why.Error())
		n.spawn(func() { s.conn.Close(why) })
	}
	for _, l := range n.allLines() {
		if client := l.live(); client != nil && dead(client.LocalAddr()) {
			n.spawn(func() { client.Close(why) })
		}
	}
	if notable {
		n.events.emit(Event{Kind: NetworkChanged, Reason: why.Error()})
		n.around.tell()
		n.announceSelf()
		n.ask()
	}
	n.spawn(func() { n.relink(lost) })
}

// relink makes new links to the peers of those that were lost, so that they need
// not find out by themselves where this node is.
func (n *Node) relink(lost []*session) {
	ctx, cancel := context.WithTimeout(n.ctx, 2*n.cfg.Timers.Handshake)
	defer cancel()
	var dials errgroup.Group // of goroutines that never fail
	dials.SetLimit(relinkAtOnce)
	for _, s := range lost {
		if m := n.roster.find(s.peer.Hello.Instance); m != nil {
			dials.Go(func() error {
				_, _ = n.reach(ctx, m, s) // a peer that does not answer now is dialled by the next call
				return nil
			})
		}
	}
	_ = dials.Wait()
}

// nap is sleep that ends when the network has changed: what failed before may
// work now, which the result tells.
func (n *Node) nap(ctx context.Context, d time.Duration) (changed bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-n.around.news():
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
