package node

import (
	"maps"
	"slices"

	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/link"
)

// capabilities is the msgpack map of the HELLO that introduces the node by a
// name, made when it is sent. A name that was lost since the link was begun is
// held no more, or a node that has just given way would seem to insist.
func (n *Node) capabilities(name string) []byte {
	held, up := n.ages()
	if name != n.Name() {
		held = 0
	}
	caps := link.Capabilities{
		Product: Product, Version: Version, Services: n.cfg.ServiceVersions, Limits: ownLimits(),
		Held: held, Up: up, Observer: n.cfg.Observer, Status: n.offers.now(),
	}
	return caps.Encode()
}

// ownLimits are what this node takes of one peer.
func ownLimits() map[string]uint64 {
	return map[string]uint64{
		"message_bytes": wire.MaxMessage, "value_bytes": wire.MaxBig,
		"call_credit": wire.CallCredit, "services": wire.MaxServices,
	}
}

func checkCapabilities(c *Config) error {
	if err := link.CheckVersions(c.ServiceVersions); err != nil {
		return &ConfigError{"ServiceVersions", err.Error(), "use up to 32 versions such as \"1.4.2\""}
	}
	c.ServiceVersions = maps.Clone(c.ServiceVersions)
	return nil
}

// judgeServices refuses a node that has no service in common with this one, if
// that is required. Observers only call, and need none.
func (n *Node) judgeServices(p link.Peer) *link.Refusal {
	if !n.cfg.RequireCommonService || n.cfg.Observer || p.Capabilities.Observer ||
		len(common(n.offers.now(), p.Capabilities.Status)) > 0 {
		return nil
	}
	return &link.Refusal{Code: byeNoService, Text: "this node wants a service that both offer"}
}

// common returns the sorted names of the services that are in both.
func common(a, b wire.Status) []string {
	var names []string
	for _, service := range a.Services {
		if offered, _ := b.State(service.Name); offered {
			names = append(names, service.Name)
		}
	}
	slices.Sort(names)
	return names
}

// listed shows services as __peers__ returns them.
func listed(services []Service) []map[string]any {
	list := make([]map[string]any, 0, len(services))
	for _, s := range services {
		list = append(list, map[string]any{"name": s.Name, "ready": s.Ready, "version": s.Version})
	}
	return list
}

// orNone has an empty list travel as a list.
func orNone(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
