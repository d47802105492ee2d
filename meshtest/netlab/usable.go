package netlab

import (
	"encoding/json"
	"os/exec"
	"slices"
	"time"
)

// ipInterface is what "ip -j addr" says of an interface.
type ipInterface struct {
	Name  string `json:"ifname"`
	State string `json:"operstate"`
	MAC   string `json:"address"`
	Addrs []struct {
		Local     string `json:"local"`
		Tentative bool   `json:"tentative"`
		Failed    bool   `json:"dadfailed"`
	} `json:"addr_info"`
	Link struct {
		Port struct {
			State string `json:"state"`
		} `json:"info_slave_data"`
	} `json:"linkinfo"`
}

// interfaces asks the kernel about the interfaces of a namespace.
func (l *Lab) interfaces(ns string) []ipInterface {
	l.t.Helper()
	out, err := exec.Command("ip", "-n", ns, "-d", "-j", "addr").Output()
	if err != nil {
		l.t.Fatalf("listing the addresses in %s: %v", ns, err)
	}
	var all []ipInterface
	if err := json.Unmarshal(out, &all); err != nil {
		l.t.Fatalf("reading the addresses in %s: %v", ns, err)
	}
	return all
}

// WaitUsable waits until none of the host's addresses is tentative, its plugged
// interfaces are up and their bridges forward. Not within 15 s ends the test.
func (h *Host) WaitUsable() {
	h.lab.t.Helper()
	deadline := time.Now().Add(usableWithin)
	for {
		waiting := h.unusable()
		if waiting == "" {
			return
		}
		if time.Now().After(deadline) {
			h.lab.t.Fatalf("host %s: %s for %v", h.name, waiting, usableWithin)
		}
		time.Sleep(20 * time.Millisecond) // the kernel tells nobody
	}
}

// unusable says what on the host is not usable yet, "" if all is.
func (h *Host) unusable() string {
	h.lab.t.Helper()
	for _, i := range h.lab.interfaces(h.lab.yard) {
		if h.plugged(i.Name) && i.Link.Port.State != "forwarding" {
			return "the bridge's port " + i.Name + " has been " + i.Link.Port.State
		}
	}
	for _, i := range h.lab.interfaces(h.ns) {
		if h.plugged(i.Name) && i.State != "UP" {
			return i.Name + " has been " + i.State
		}
		for _, a := range i.Addrs {
			if a.Failed {
				h.lab.t.Fatalf("host %s: another host has its address %s", h.name, a.Local)
			}
			if a.Tentative {
				return a.Local + " has been tentative"
			}
		}
	}
	return ""
}

// plugged tells whether an interface of the host, or its port on a bridge,
// should carry packets.
func (h *Host) plugged(device string) bool {
	return slices.ContainsFunc(h.plugs, func(p *plug) bool {
		return !p.off && (p.device == device || p.port == device)
	})
}
