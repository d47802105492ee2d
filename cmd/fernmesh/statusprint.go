package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// clear begins a screen anew if the output is one, else a new paragraph.
func (st *statusRun) clear() error {
	if f, ok := st.Stdout.(*os.File); ok && isTerminal(f) {
		_, err := st.out.WriteRaw([]byte("\x1b[H\x1b[2J"))
		return err
	}
	return nil
}

// printStatus shows a row per node and, of a single one, its peers.
func (st *statusRun) printStatus(all map[string]nodeStatus, detail bool) error {
	if st.watch {
		fmt.Fprintln(st.out, time.Now().Format("15:04:05")) // an error shows at the end
	}
	if len(all) == 0 {
		return nil
	}
	t := newTable(st.out, "NAME", "VERSION", "UP", "HEALTH", "PEERS", "LINKS", "CALLS", "ERRORS", "PATH")
	names := sortedKeys(all)
	for _, name := range names {
		t.row(append([]string{name}, all[name].cells(name)...)...)
	}
	if err := t.end(); err != nil {
		return err
	}
	if !detail {
		return nil
	}
	for _, name := range names {
		if a, ok := all[name].answered()["peers"]; ok {
			if err := st.printPeers(a.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// cells are the figures of one node; one that answered nothing has its error alone.
func (s nodeStatus) cells(name string) []string {
	known := s.answered()
	if len(known) == 0 {
		return []string{"no answer", "", "", "", "", "", "", s.failure(name)}
	}
	info, _ := known["info"].value.(map[string]any)
	version, _ := info["version"].(string)
	health := healthStatus(known["health"].value)
	peers, links := peerFigures(known["peers"].value)
	calls, failed := callFigures(known["stats"].value)
	return []string{orUnknown(shortened(version, maxDocLine)), uptime(info["up_ms"]), orUnknown(shortened(health, maxDocLine)), peers, links, calls, failed, s.path()}
}

func orUnknown(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// path is the way of one of the answers.
func (s nodeStatus) path() string {
	for _, key := range sortedKeys(s) {
		if p, ok := s[key].outcome["path"].(map[string]any); ok {
			kind, _ := p["kind"].(string)
			addr, _ := p["addr"].(string)
			return strings.TrimSpace(kind + " " + addr)
		}
	}
	return ""
}

// uptime is a time in milliseconds of another node: 3d4h, 5h12m, 7m, 42s.
func uptime(v any) string {
	ms, ok := v.(int64)
	if !ok || ms < 0 || ms > int64(1<<62)/int64(time.Millisecond) {
		return "?"
	}
	switch d := time.Duration(ms) * time.Millisecond; {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// peerFigures counts the peers of a node and its links.
func peerFigures(v any) (peers, links string) {
	list, ok := v.([]any)
	if !ok {
		return "?", "?"
	}
	n := 0
	for _, p := range list {
		peer, _ := p.(map[string]any)
		for _, path := range asList(peer["paths"]) {
			if isLink(path) {
				n++
			}
		}
	}
	return fmt.Sprint(len(list)), fmt.Sprint(n)
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// isLink tells whether a path is a link that is up: one with a state says so, and
// of others only links have a round-trip time.
func isLink(v any) bool {
	path, _ := v.(map[string]any)
	if state, ok := path["state"].(string); ok {
		return state == "up"
	}
	_, measured := path["rtt_us"]
	return measured
}

// callFigures are the calls that a node served and those of them that failed.
func callFigures(v any) (calls, failed string) {
	s, ok := v.(map[string]any)
	if !ok {
		return "?", "?"
	}
	perCommand, _ := s["commands"].(map[string]any)
	total := count(s["other"])
	for _, f := range perCommand {
		total += count(f)
	}
	return figure(s["served"]), fmt.Sprint(total)
}

// count is how many calls of a command failed.
func count(v any) uint64 {
	f, _ := v.(map[string]any)
	n, _ := f["errors"].(int64)
	return uint64(max(n, 0))
}

// maxPeerRows is how many peers of a node status shows.
const maxPeerRows = 1000

// maxPeerFields is how many further lines of a peer status shows.
const maxPeerFields = 50

// printPeers shows the peers of a node with all that it says of them.
func (st *statusRun) printPeers(v any) error {
	list, ok := v.([]any)
	if !ok {
		fmt.Fprintln(st.out, "its peers cannot be read")
		return nil
	}
	for _, p := range list[:min(len(list), maxPeerRows)] {
		peer, ok := p.(map[string]any)
		if !ok {
			continue
		}
		if err := st.printPeer(peer); err != nil {
			return err
		}
	}
	if more := len(list) - maxPeerRows; more > 0 {
		_, err := fmt.Fprintf(st.out, "and %d more\n", more)
		return err
	}
	return nil
}

// printPeer shows one peer: its name, what is known of it, a line per path.
func (st *statusRun) printPeer(peer map[string]any) error {
	name, _ := peer["name"].(string)
	if _, err := fmt.Fprintf(st.out, "peer %s\n", escapeLine(orUnknown(name))); err != nil {
		return err
	}
	keys := slices.DeleteFunc(sortedKeys(peer), func(k string) bool { return k == "name" || k == "paths" })
	if i := slices.Index(keys, "state"); i > 0 { // what counts most comes first
		keys = slices.Insert(slices.Delete(keys, i, i+1), 0, "state")
	}
	for _, k := range keys[:min(len(keys), maxPeerFields)] {
		if text := fieldText(k, peer[k]); text != "" {
			fmt.Fprintf(st.out, "    %s: %s\n", escapeLine(fieldName(k)), escapeLine(text))
		}
	}
	paths := asList(peer["paths"])
	for _, path := range paths[:min(len(paths), maxPeerFields)] {
		if _, err := fmt.Fprintf(st.out, "    path %s\n", escapeLine(pathLine(path))); err != nil {
			return err
		}
	}
	return nil
}

// pathLine is a path of a peer with all that is said of it.
func pathLine(v any) string {
	path, _ := v.(map[string]any)
	kind, _ := path["kind"].(string)
	addr, _ := path["addr"].(string)
	parts := []string{strings.TrimSpace(kind + " " + strings.TrimSpace(strings.TrimPrefix(addr, kind+" ")))}
	keys := slices.DeleteFunc(sortedKeys(path), func(k string) bool { return k == "kind" || k == "addr" })
	for _, k := range keys[:min(len(keys), maxPeerFields)] {
		if text := fieldText(k, path[k]); text != "" {
			parts = append(parts, fieldName(k)+" "+text)
		}
	}
	return shortened(strings.Join(parts, ", "), 500)
}

// fieldName is a key without the unit that fieldText shows: rtt_us is rtt.
func fieldName(key string) string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(shortened(key, maxDocLine), "_us"), "_ms"), "_", " ")
}

// fieldText is a value of another node for people; "" means that there is nothing to show.
func fieldText(key string, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return shortened(v, 200)
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case time.Time:
		return v.Local().Format("2006-01-02 15:04:05")
	case int64:
		if unit := fieldUnit(key); unit > 0 && v >= 0 && v < int64(1<<62)/int64(unit) {
			return milliseconds(time.Duration(v) * unit)
		}
	}
	return shortened(compactJSON(v), 200)
}

func fieldUnit(key string) time.Duration {
	switch {
	case strings.HasSuffix(key, "_us"):
		return time.Microsecond
	case strings.HasSuffix(key, "_ms"):
		return time.Millisecond
	}
	return 0
}
