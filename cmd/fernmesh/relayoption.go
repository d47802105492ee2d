package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fernmesh/fernmesh/relay"
)

// maxNamedRelays is the most relays that somebody may name. A line of "invite"
// with so many still fits what a terminal takes as one line.
const maxNamedRelays = 8

// setRelays takes addresses of relays. It refuses what is no address, and a
// relay that is named twice.
func setRelays(s *settings, values []string) error {
	texts, err := elements(values)
	if err != nil {
		return err
	}
	if len(texts) > maxNamedRelays {
		return fmt.Errorf("must not name more than %d relays", maxNamedRelays)
	}
	seen := map[string]bool{}
	for i, text := range texts {
		if looksLikeKey(text) {
			return errKeyAsRelay
		}
		a, err := relay.ParseAddress(text)
		if err != nil {
			return fmt.Errorf("must be HOST:PORT, http://… or https://…, perhaps with # and the relay's id; number %d is not%s", i+1, reasonOf(err))
		}
		if seen[a.Authority] {
			return fmt.Errorf("must not name a relay twice, as number %d does", i+1)
		}
		seen[a.Authority] = true
	}
	s.relays = texts
	return nil
}

// reasonOf is what is wrong with an address, unless the reason repeats a part
// of it: nothing that was given for an option is ever shown.
func reasonOf(err error) string {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		return ""
	}
	causes := all.Unwrap()
	reason := causes[len(causes)-1].Error()
	if strings.Contains(reason, `"`) || len(causes) < 2 {
		return ""
	}
	return ": " + reason
}

func setMaxRelays(s *settings, values []string) error {
	n, err := strconv.ParseUint(values[len(values)-1], 10, 8)
	if err != nil || n == 0 {
		return errors.New("must be a whole number, 1 to 255")
	}
	s.maxRelays = int(n)
	return nil
}
