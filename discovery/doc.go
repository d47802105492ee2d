// Package discovery finds the nodes of one network on the local network.
//
// Each node tells the LAN that it is there, in adverts that only holders of
// the network's key can read or make. A newcomer asks, so that it finds the
// others in milliseconds. Two more sources help where that is not enough:
// mDNS, and a list of static peers.
//
// # Start here
//
// Make a [Service] with [New], [Service.Start] it, and read
// [Service.Entries] or take in each [Change]. An [Entry] says who a node
// claims to be and where it can be dialled; who it really is, the handshake
// and HELLO on the link tell. Nothing here needs an answer: a node that is
// heard is worth one dial, no more.
//
//	s, err := discovery.New(discovery.Config{
//		Keys: []*crypto.Schedule{crypto.Derive(key, "home")},
//		Self: discovery.Self{Name: "kitchen", Instance: crypto.NewInstanceID(), Port: port},
//	})
//	err = s.Start(ctx)
//	defer s.Close()
//
// A Service without a name is an observer: it asks and listens, and nobody
// lists it. [Config.NoUDP] keeps a service off the LAN altogether.
//
// # On the wire
//
// The protocol, section 7, in short. A datagram is one Fernet token under the
// network's advert key, of at most 1,200 bytes. In it is a msgpack array;
// further elements are ignored:
//
//	 0  version       1
//	 1  kind          1 here I am, 2 goodbye, 3 who is there
//	 2  instance      16 bytes, random per process
//	 3  counter       of the round; rises for the life of the instance
//	 4  time          of sealing, Unix milliseconds
//	 5  name          empty in an observer's question
//	 6  TCP port      where links are accepted
//	 7  own IPs       at most 8, of the sending interface, 4 or 16 bytes each
//	 8  features      bits
//	 9  node key      32 bytes (Ed25519), or nil
//	10  signature     64 bytes, or nil: by the node key over "fm1 advert sig", a
//	                  zero byte, and the encoding of elements 0 to 9
//	11  filler        makes the token of a question 1,100 bytes at least; all
//	                  others have 1,000 at most
//
// Adverts go to UDP port 3376, which all nodes of a host share and none sends
// from: by broadcast, to 239.255.33.76 and to ff02::3376, on every interface
// chosen. They leave from a socket per interface address, which also hears the
// answers. A start or a change of interfaces brings three rounds within 1.5 s,
// then one follows every 10 s ± 20 %.
//
// # What is believed
//
// A receiver checks, cheapest first: size and shape, rate (per source, then in
// all), token, form, age, counter, node key of the instance, source address
// among the sender's own, signature. [Stats] counts every refusal by its
// [Cause]. A question is answered once per second and asker, with fewer bytes
// than it had, and only to an address that its sender calls its own: nobody
// can be flooded in another's name. An advert with the counter of a round that
// is known may add an address and does nothing else. After 36 s of silence, or
// a goodbye, an entry goes; its counter is kept for 4 more minutes, so that
// old adverts do not bring it back.
//
// A node that starts again replaces its old entry at once if it has the same
// node key, or, without a key, the same name and address. Otherwise both are
// listed, and node settles whose name it is.
//
// # mDNS
//
// With [Config.MDNS], the same kind of token is in the TXT record of a service
// _fernmesh._tcp whose labels change every 10 minutes. It is the second
// source: slower, known to every DNS-SD browser, and let through where other
// multicast is not. Build with -tags nomdns to leave it and its library out.
package discovery
