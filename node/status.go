package node

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// Service is one service that a node offers.
type Service struct {
	Name string
	// Ready tells that calls to "any(Name)" may go there.
	Ready bool
	// Version is that of Config.ServiceVersions at the node that offers it;
	// empty without one, and before the first link to that node.
	Version string
}

// offers is what this node offers, and what it tells others of it.
type offers struct {
	mu      sync.Mutex
	status  wire.Status
	changed time.Time     // the latest change after the node was made
	wake    chan struct{} // has publish tell it; holds one token
}

func newOffers(cfg *Config) *offers {
	o := &offers{wake: make(chan struct{}, 1)}
	for _, name := range unique(cfg.Services) {
		o.status.Services = append(o.status.Services, wire.Service{Name: name, Ready: true})
	}
	o.status.Tags = unique(cfg.Tags)
	if len(o.status.Services)+len(o.status.Tags) > 0 {
		o.status.Revision = 1
	}
	return o
}

// now is the present status; its slices are not changed any more.
func (o *offers) now() wire.Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.status
}

// change replaces the status by what f makes of a copy, if that is within the
// bounds and different.
func (o *offers) change(f func(*wire.Status)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := o.status
	next.Services, next.Tags = slices.Clone(next.Services), slices.Clone(next.Tags)
	f(&next)
	if err := checkStatus(next); err != nil {
		return err
	}
	if next.Draining == o.status.Draining && slices.Equal(next.Services, o.status.Services) && slices.Equal(next.Tags, o.status.Tags) {
		return nil
	}
	next.Revision++
	o.status, o.changed = next, time.Now()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return nil
}

// checkOffers checks Config.Services and Config.Tags.
func checkOffers(c *Config) error {
	if c.Observer && len(c.Services)+len(c.Tags) > 0 {
		return &ConfigError{"Services", "an observer offers nothing and has no tags", "leave Services and Tags empty, or run a node"}
	}
	return checkStatus(newOffers(c).status)
}

func checkStatus(s wire.Status) error {
	for _, service := range s.Services {
		if err := wire.CheckOffer("service", service.Name); err != nil {
			return &ConfigError{"Services", err.Error(), "choose a name such as \"thermostat\""}
		}
	}
	for _, tag := range s.Tags {
		if err := wire.CheckOffer("tag", tag); err != nil {
			return &ConfigError{"Tags", err.Error(), "choose a name such as \"upstairs\""}
		}
	}
	field := "Services"
	if len(s.Tags) > len(s.Services) {
		field = "Tags"
	}
	switch {
	case len(s.Services) > wire.MaxServices || len(s.Tags) > wire.MaxServices:
		return &ConfigError{field, fmt.Sprintf("more than %d names", wire.MaxServices), "offer fewer services, or give the node fewer tags"}
	case s.Size() > wire.MaxOffer:
		return &ConfigError{field, fmt.Sprintf("services and tags take %d bytes together, at most %d are allowed", s.Size(), wire.MaxOffer), "use shorter names, or fewer"}
	}
	return nil
}

// Offer says that this node offers a service and is ready for it. Others learn
// it at once over links, and within a second by adverts and presence. At most
// 32 services of up to 64 bytes, and 512 bytes with the tags; the error is a
// [*ConfigError].
func (n *Node) Offer(service string) error { return n.SetReady(service, true) }

// Withdraw says that this node no longer offers a service. Calls that came
// before it are not concerned.
func (n *Node) Withdraw(service string) {
	_ = n.offers.change(func(s *wire.Status) { // fewer services are always allowed
		s.Services = slices.DeleteFunc(s.Services, func(o wire.Service) bool { return o.Name == service })
	})
}

// SetReady says whether calls to "any(service)" may come to this node now, and
// offers the service if it was not offered. A node that is not ready stays in
// [Group]. Errors are those of [Node.Offer].
func (n *Node) SetReady(service string, ready bool) error {
	if n.cfg.Observer {
		return &ConfigError{"Services", "an observer offers nothing", "run a node instead"}
	}
	return n.offers.change(func(s *wire.Status) {
		for i, o := range s.Services {
			if o.Name == service {
				s.Services[i].Ready = ready
				return
			}
		}
		s.Services = append(s.Services, wire.Service{Name: service, Ready: ready})
	})
}

// SetTags replaces this node's tags, by which [Tagged] finds it. Bounds and
// errors are those of [Node.Offer].
func (n *Node) SetTags(tags ...string) error {
	if n.cfg.Observer {
		return &ConfigError{"Tags", "an observer has no tags", "run a node instead"}
	}
	return n.offers.change(func(s *wire.Status) { s.Tags = unique(tags) })
}

// Services returns what this node offers.
func (n *Node) Services() []Service { return services(n.offers.now(), n.cfg.ServiceVersions) }

// Tags returns this node's tags.
func (n *Node) Tags() []string { return slices.Clone(n.offers.now().Tags) }

func services(s wire.Status, versions map[string]string) []Service {
	var list []Service
	for _, o := range s.Services {
		list = append(list, Service{o.Name, o.Ready, versions[o.Name]})
	}
	return list
}

// How often changes are told: over links, and by adverts and presence, which
// cost the whole LAN something.
const (
	linkStatusEvery = 100 * time.Millisecond
	castStatusEvery = time.Second
)

// tellChanges tells others of changes until the node shuts down. The first change
// is told at once; of many in a row the last one counts.
func (n *Node) tellChanges() {
	var due <-chan time.Time // for adverts and presence
	var last time.Time
	for {
		select {
		case <-n.offers.wake:
			n.tellLinks()
			if wait := time.Until(last.Add(castStatusEvery)); due == nil && wait > 0 {
				due = time.After(wait)
			} else if due == nil {
				last = time.Now()
				n.announceSelf()
			}
			if !n.pause(linkStatusEvery) {
				return
			}
		case <-due:
			due, last = nil, time.Now()
			n.announceSelf()
		case <-n.closing:
			return
		}
	}
}

// tellLinks sends the status over every link.
func (n *Node) tellLinks() {
	body := wire.AppendStatus(nil, n.offers.now())
	for _, s := range n.roster.all() {
		n.tellLink(s, body)
	}
}

func (n *Node) tellLink(s *session, body []byte) {
	if s.link.Post(wire.TypeStatus, body) == nil {
		s.link.FlushLater()
	}
}

// catchUp tells a new link of a change that its HELLO may have come too early
// for.
func (n *Node) catchUp(s *session) {
	n.offers.mu.Lock()
	fresh := time.Since(n.offers.changed) < 2*n.cfg.Timers.Handshake
	body := wire.AppendStatus(nil, n.offers.status)
	n.offers.mu.Unlock()
	if fresh {
		n.tellLink(s, body)
	}
}

// announceSelf says anew on the LAN and at the relays who this node is.
func (n *Node) announceSelf() {
	n.advertise()
	n.announceEverywhere()
}

// advertise says anew on the LAN who this node is.
func (n *Node) advertise() {
	if err := n.disc.SetSelf(n.self()); err != nil && !n.isClosing() {
		n.cfg.Logger.Error("the change could not be announced", "error", err)
	}
}

// sayDraining tells everyone who is linked or in a relay's room that the node
// takes no new calls; the LAN hears its goodbye.
func (n *Node) sayDraining() {
	if n.cfg.Observer || n.offers.change(func(s *wire.Status) { s.Draining = true }) != nil {
		return
	}
	n.tellLinks()
	n.announceEverywhere()
}
