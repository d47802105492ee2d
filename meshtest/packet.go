package meshtest

import (
	"net/netip"
	"slices"
	"time"
)

// Packet is a UDP datagram or a piece of a TCP stream on its way.
type Packet struct {
	LAN  *LAN // nil on a host's loopback
	TCP  bool // else UDP
	From netip.AddrPort
	To   netip.AddrPort
	At   time.Time // when it was sent
	Data []byte
}

// Tap shows f every packet that is sent on the LAN, also those that get lost
// or meet a cut. f is called while the network is locked: it must be quick and
// must not call the network. The bytes are valid during the call only.
func (l *LAN) Tap(f func(Packet)) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.taps = append(l.taps, f)
}

// Tap is LAN.Tap for all LANs and the loopbacks of all hosts.
func (w *World) Tap(f func(Packet)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taps = append(w.taps, f)
}

// Tamper lets f change the Data of every packet on the LAN, or drop the packet
// by returning false; bytes dropped from a TCP stream are missing in it, as
// only an attacker on the path can do. f runs before the taps and under the
// same rules.
func (l *LAN) Tamper(f func(*Packet) bool) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.tampers = append(l.tampers, f)
}

// Inject puts a datagram on the LAN with any source address, as an attacker
// there can. All hosts of the LAN may be its receivers.
func (w *World) Inject(l *LAN, from, to netip.AddrPort, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.transmit(nil, from, to, data)
}

// pass gives the packet's bytes as they go onto the wire, copied; false if
// somebody dropped the packet.
func (w *World) pass(l *LAN, tcp bool, from, to netip.AddrPort, data []byte) ([]byte, bool) {
	p := Packet{LAN: l, TCP: tcp, From: from, To: to, At: time.Now(), Data: slices.Clone(data)}
	taps := w.taps
	if l != nil {
		for _, f := range l.tampers {
			if !f(&p) {
				return nil, false
			}
		}
		taps = slices.Concat(w.taps, l.taps)
	}
	for _, f := range taps {
		f(p)
	}
	return p.Data, true
}
