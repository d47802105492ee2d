//go:build !nomdns

package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2" // jitter only
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/sockets"
	"github.com/hashicorp/mdns"
)

// What keeps hashicorp/mdns v1.0.7 in its box, all of it in the mdns*.go files:
//
//   - Its server sends answers to whatever source a query claims. Our zone
//     gives it none to send and multicasts them itself, see mdnszone.go.
//   - Its query ends at its timeout only, so that is short, and Close waits.
//   - Its query sends two more for each incomplete answer, without bound. A
//     query that meets many answers is broken off, and the next one waits.
//   - Its answers may be anybody's and change while they are read. They are
//     read after the query, and only for a valid token.
//   - It logs every packet that it does not like: into nowhere.
//   - Its sockets do not follow the interfaces. Each interface has its own
//     server and queries, and they are made anew when its addresses change.
//
// Where multicast is not shared between the sockets of a host (not Linux), its
// query hears only the default interface.

const (
	mdnsService = "_fernmesh._tcp"
	// leastMDNSEvery and mostMDNSQuery bound what Timers may ask for.
	leastMDNSEvery = 30 * time.Second
	mostMDNSQuery  = time.Second
	// mdnsAnswers is how many answers a query may meet before it is broken off.
	mdnsAnswers = 64
	// mdnsCalm is how long the next query waits for each answer met: with four
	// packets for an answer at worst, that makes two per second.
	mdnsCalm = 2 * time.Second
)

// silent is where the library logs.
var silent = log.New(io.Discard, "", 0)

// multicastDNS is the source of mDNS: on each interface it answers for our
// node and looks for others.
type multicastDNS struct {
	s      *Service
	finder sockets.InterfaceFinder
	health *health
}

// newMDNS returns the source, or none where there are no real interfaces.
func newMDNS(s *Service) []source {
	finder, ok := s.cfg.Net.(sockets.InterfaceFinder)
	if !ok {
		return nil
	}
	return []source{&multicastDNS{s: s, finder: finder, health: newHealth(SourceMDNS, s.events, s.cfg.Logger)}}
}

func (m *multicastDNS) name() string { return SourceMDNS }

// run keeps one link per usable interface. An observer waits first, so that a
// quick call is over before mDNS is touched.
func (m *multicastDNS) run(ctx context.Context) {
	if m.s.observes() && !sleep(ctx, m.s.cfg.Timers.MDNSGrace) {
		return
	}
	links := make(map[int]*mdnsLink)
	defer func() {
		for _, l := range links {
			l.cancel()
		}
		for _, l := range links {
			l.done.Wait()
		}
	}()
	for {
		list, err := m.s.interfaces()
		m.health.set("interface list", err)
		if err == nil {
			m.reconcile(ctx, links, list)
		}
		if !sleep(ctx, m.s.cfg.Timers.Poll) {
			return
		}
	}
}

// reconcile starts and ends links to match the interfaces.
func (m *multicastDNS) reconcile(ctx context.Context, links map[int]*mdnsLink, list []sockets.Interface) {
	list = slices.DeleteFunc(list, func(i sockets.Interface) bool { return !i.Multicast || i.Loopback || i.PointToPoint })
	for index, l := range links {
		same := func(i sockets.Interface) bool {
			return i.Index == index && i.Name == l.ifc.Name && slices.Equal(i.Prefixes, l.ifc.Prefixes)
		}
		if !slices.ContainsFunc(list, same) {
			l.cancel()
			l.done.Wait()
			delete(links, index)
		}
	}
	for _, ifc := range list {
		if links[ifc.Index] == nil {
			links[ifc.Index] = m.start(ctx, ifc)
		}
	}
}

// mdnsLink is mDNS on one interface. Its goroutine ends when cancel is called.
type mdnsLink struct {
	m      *multicastDNS
	ifc    sockets.Interface
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (m *multicastDNS) start(ctx context.Context, ifc sockets.Interface) *mdnsLink {
	ctx, cancel := context.WithCancel(ctx)
	l := &mdnsLink{m: m, ifc: ifc, cancel: cancel}
	l.done.Go(func() { l.run(ctx) })
	return l
}

// run works, and works again after a failure.
func (l *mdnsLink) run(ctx context.Context) {
	retry := l.m.s.cfg.Timers.backoff()
	for {
		began := time.Now()
		err := l.guarded(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > l.m.s.cfg.Timers.RetryMax {
			retry.reset()
		}
		l.m.health.set(l.ifc.Name, err)
		if !sleep(ctx, retry.wait()) {
			return
		}
	}
}

func (l *mdnsLink) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = l.m.s.panicked(SourceMDNS, v)
		}
	}()
	return l.work(ctx)
}

// work answers and queries until ctx ends, or returns why it cannot.
func (l *mdnsLink) work(ctx context.Context) error {
	ifi, err := l.m.finder.NetInterface(l.ifc.Index)
	if err != nil {
		return err
	}
	air, err := openAir(ifi)
	if err != nil {
		return err
	}
	defer air.close()
	if !l.m.s.observes() {
		z := &zone{s: l.m.s, ifc: l.ifc, air: air}
		server, err := mdns.NewServer(&mdns.Config{Zone: z, Iface: ifi, Logger: silent})
		if err != nil {
			return fmt.Errorf("cannot serve mDNS: %w", err)
		}
		defer z.goodbye()
		defer func() { _ = server.Shutdown() }()
	}
	for {
		if err := l.query(ctx, air); err != nil {
			return err
		}
		l.m.health.set(l.ifc.Name, nil)
		every := max(l.m.s.cfg.Timers.MDNSEvery, leastMDNSEvery)
		if !sleep(ctx, max(every+rand.N(every/5), time.Duration(air.answers.Load())*mdnsCalm)) {
			return nil
		}
	}
}

// query asks once and takes in what came.
func (l *mdnsLink) query(ctx context.Context, air *air) error {
	ifi, err := l.m.finder.NetInterface(l.ifc.Index)
	if err != nil {
		return err
	}
	entries := make(chan *mdns.ServiceEntry, mdnsAnswers)
	p := mdns.DefaultParams(mdnsService)
	p.Timeout = min(l.m.s.cfg.Timers.MDNSQuery, mostMDNSQuery)
	p.Interface, p.Entries, p.Logger = ifi, entries, silent
	p.DisableIPv4 = !slices.ContainsFunc(l.ifc.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is4() })
	p.DisableIPv6 = !slices.ContainsFunc(l.ifc.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() })
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	air.during(stop)
	err = mdns.QueryContext(ctx, p)
	close(entries)
	for e := range entries {
		l.take(e)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("cannot query mDNS: %w", err)
	}
	return nil
}

// take passes on the token of an answer, if it is for our service and has one.
func (l *mdnsLink) take(e *mdns.ServiceEntry) {
	if !strings.HasSuffix(strings.ToLower(e.Name), "."+mdnsService+".local.") {
		return
	}
	if token, ok := joinText(e.InfoFields); ok {
		l.m.s.hear(token, arrival{source: SourceMDNS, on: l.ifc})
	}
}
