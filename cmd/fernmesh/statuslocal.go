package main

import (
	"context"
	"slices"
	"strings"
)

// runLocal asks the node of this machine, and shows those of its peers that are
// named, or all.
func (st *statusRun) runLocal(ctx context.Context, flags []*recorder, peers []string) error {
	s, err := st.settings(flags)
	if err != nil {
		return err
	}
	return st.repeat(ctx, func() error {
		name, status, err := s.localStatus(ctx)
		if err != nil {
			return err
		}
		if err := status.only(peers); err != nil {
			return err
		}
		all := map[string]nodeStatus{name: status}
		if s.json {
			if err := st.printJSON(statusJSON(all)); err != nil {
				return err
			}
		} else if err := st.printLocal(all, len(peers) > 0); err != nil {
			return err
		}
		return statusVerdict(all)
	})
}

// printLocal shows the node and its peers, or the peers alone, if they were named.
func (st *statusRun) printLocal(all map[string]nodeStatus, peersAlone bool) error {
	if !peersAlone {
		return st.printStatus(all, true)
	}
	for _, s := range all {
		if err := st.printPeers(s["peers"].value); err != nil {
			return err
		}
	}
	return nil
}

// localStatus asks the node of this machine all questions.
func (s *settings) localStatus(ctx context.Context) (name string, status nodeStatus, err error) {
	l, err := s.local(ctx)
	if err != nil {
		return "", nil, err
	}
	defer l.close()
	status = nodeStatus{}
	for _, key := range sortedKeys(statusQuestions) {
		if name, status[key], err = l.call(s.timeout, statusQuestions[key]); err != nil {
			return "", nil, err
		}
	}
	return name, status, nil
}

// only leaves the peers of these names; there must be one of each.
func (s nodeStatus) only(names []string) error {
	a := s["peers"]
	if len(names) == 0 || a.err != nil {
		return nil
	}
	var left []any
	for _, name := range names {
		at := slices.IndexFunc(asList(a.value), func(p any) bool {
			peer, _ := p.(map[string]any)
			return peer["name"] == name
		})
		if at < 0 {
			return faultf(exitUnreachable, "\"fernmesh status --local\" lists those it knows", "the node of this machine knows no peer %q", shorten(strings.TrimSpace(name)))
		}
		left = append(left, asList(a.value)[at])
	}
	a.value = left
	s["peers"] = a
	return nil
}
