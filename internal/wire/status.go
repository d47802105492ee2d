package wire

import (
	"fmt"
	"math"
	"strings"
)

// Bounds of what one node offers.
const (
	// MaxServices is the most services, and the most tags, of one node.
	MaxServices = 32
	// MaxStatus is the longest encoding of a Status, in bytes.
	MaxStatus = 512 + 32
	// MaxOffer is the most bytes that the services and tags of one node take
	// together, each with the byte or two that say its length.
	MaxOffer = 512
)

// flags of a Status.
const (
	statusDraining = 1
	statusBrief    = 2
)

// Service is one service that a node offers.
type Service struct {
	Name  string
	Ready bool // it takes calls that any ready member may take
}

// Status is what a node offers now. It travels in HELLO, STATUS, adverts and
// presence.
type Status struct {
	// Revision rises with each change; what is heard late counts no more. It
	// is 0 while a node has never offered anything, and not sent then.
	Revision uint64
	Services []Service
	Tags     []string
	// Draining: the node is about to leave and takes no new calls.
	Draining bool
	// Brief: services and tags found no room; a link tells them.
	Brief bool
}

// CheckOffer checks the name of a service or tag: a name as of a node (section
// 9) without parentheses and commas, which lists of targets need. The error is
// a *NameError; kind says in it what s was to name.
func CheckOffer(kind, s string) error {
	if err := CheckName(kind, s); err != nil {
		return err
	}
	if i := strings.IndexAny(s, "(),"); i >= 0 {
		return &NameError{kind, fmt.Sprintf("has the character %q at byte %d; ( ) , are not allowed", s[i], i+1)}
	}
	return nil
}

// AppendStatus appends [revision, [ready services], [other services], [tags],
// flags].
func AppendStatus(dst []byte, s Status) []byte {
	var ready, waiting []string
	for _, service := range s.Services {
		if service.Ready {
			ready = append(ready, service.Name)
		} else {
			waiting = append(waiting, service.Name)
		}
	}
	flags := uint64(0)
	if s.Draining {
		flags |= statusDraining
	}
	if s.Brief {
		flags |= statusBrief
	}
	dst = AppendArray(dst, 5)
	dst = AppendUint(dst, s.Revision)
	for _, list := range [][]string{ready, waiting, s.Tags} {
		dst = AppendArray(dst, len(list))
		for _, name := range list {
			dst = AppendString(dst, name)
		}
	}
	return AppendUint(dst, flags)
}

// ParseStatus reads a status. A service is listed once, ready or not.
func ParseStatus(body []byte) (Status, error) {
	if len(body) > MaxStatus {
		return Status{}, &MalformedError{"STATUS", "too long"}
	}
	a := OpenArray("STATUS", body, Control)
	s := Status{Revision: a.Uint("revision", math.MaxUint64)}
	seen := map[string]bool{}
	names := func(field string) (list []string) {
		for inner := a.Array(field, MaxServices); inner.Len() > 0; {
			name := inner.String(field)
			if inner.err == nil && CheckOffer(field, name) != nil || seen[name] {
				inner.fail(field + " has an impossible name")
			}
			if a.err = inner.err; a.err != nil {
				return nil
			}
			seen[name] = true
			list = append(list, name)
		}
		return list
	}
	for _, ready := range []bool{true, false} {
		for _, name := range names("services") {
			s.Services = append(s.Services, Service{name, ready})
		}
	}
	clear(seen) // a tag may be called like a service
	s.Tags = names("tags")
	flags := a.Uint("flags", math.MaxUint64)
	s.Draining, s.Brief = flags&statusDraining != 0, flags&statusBrief != 0
	switch {
	case a.err != nil:
	case s.Revision == 0:
		a.fail("revision is 0")
	case len(s.Services) > MaxServices:
		a.fail("services is too long")
	}
	if a.err != nil {
		return Status{}, a.err
	}
	return s, nil
}

// InBrief is the status without what takes room.
func (s Status) InBrief() Status {
	return Status{Revision: s.Revision, Draining: s.Draining, Brief: true}
}

// Size is what services and tags take of MaxOffer.
func (s Status) Size() int {
	n := 0
	for _, service := range s.Services {
		n += len(AppendString(nil, service.Name))
	}
	for _, tag := range s.Tags {
		n += len(AppendString(nil, tag))
	}
	return n
}

// State tells whether the node offers a service, and whether it takes calls
// for it now.
func (s Status) State(service string) (offered, ready bool) {
	for _, o := range s.Services {
		if o.Name == service {
			return true, o.Ready && !s.Draining
		}
	}
	return false, false
}
