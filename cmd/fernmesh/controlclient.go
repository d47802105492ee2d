package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// localNode is a connection to the control socket of a node on this machine.
type localNode struct {
	conn  net.Conn
	lines *bufio.Reader
	stop  func() bool // of what closes the connection when its context ends
}

// dialLocal connects to the control socket at path, until ctx ends.
func dialLocal(ctx context.Context, path string) (*localNode, error) {
	dialer := net.Dialer{Timeout: controlDial}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &localNode{conn, bufio.NewReader(conn), stop}, nil
}

func (l *localNode) close() {
	l.stop()
	_ = l.conn.Close()
}

// ask sends a request and returns the answer, which may be that it failed.
func (l *localNode) ask(timeout time.Duration, request map[string]any) (map[string]any, error) {
	_ = l.conn.SetDeadline(time.Now().Add(timeout))
	// A node that has too many connections answers without reading.
	_, sent := io.WriteString(l.conn, compactJSON(request)+"\n")
	answer, err := l.next()
	if err != nil {
		return nil, errors.Join(sent, err)
	}
	_ = l.conn.SetDeadline(time.Time{})
	return answer, nil
}

// next is the next line that comes.
func (l *localNode) next() (map[string]any, error) {
	var line []byte
	for {
		part, err := l.lines.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxControlAnswer {
			return nil, errors.New("the answer is too long")
		}
	}
	v, err := parseJSON(string(line))
	if err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the answer is no JSON object")
	}
	return m, nil
}

// answerError is the error in an answer, or nil.
func answerError(answer map[string]any) error {
	if ok, _ := answer["ok"].(bool); ok {
		return nil
	}
	members, _ := answer["error"].(map[string]any)
	e := &commands.Error{Code: commands.Unknown, Executed: commands.ExecutedMaybe, Where: commands.WhereHandler}
	name, _ := members["code"].(string)
	for c := commands.Cancelled; c <= commands.Unauthenticated; c++ {
		if c.String() == name {
			e.Code = c
		}
	}
	e.Message, _ = members["message"].(string)
	switch ran, _ := members["executed"].(string); ran {
	case commands.ExecutedNo.String():
		e.Executed = commands.ExecutedNo
	case commands.ExecutedYes.String():
		e.Executed = commands.ExecutedYes
	}
	return e
}

// runningNodes connects to each node of the network that runs on this machine
// under this state directory, by socket.
func (s *settings) runningNodes(ctx context.Context) []*localNode {
	some, err := controlPath(s.stateDir, s.network, "-")
	if err != nil && !errors.Is(err, errSocketPath) {
		return nil
	}
	root := filepath.Dir(filepath.Dir(some))
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	var found []*localNode
	for _, e := range entries {
		if l, err := dialLocal(ctx, filepath.Join(root, e.Name(), controlSocket)); err == nil {
			found = append(found, l)
		}
	}
	return found
}

// local connects to the node on this machine: that of the name in the settings,
// or else the only one that runs.
func (s *settings) local(ctx context.Context) (*localNode, error) {
	name := s.name
	if name == "" {
		all := s.runningNodes(ctx)
		if len(all) == 1 {
			return all[0], nil
		}
		for _, l := range all {
			l.close()
		}
		if len(all) > 1 {
			return nil, faultf(exitUsage, "say which one with --name", "%d nodes of network %q run on this machine", len(all), s.network)
		}
		name = machineName()
	}
	path, err := controlPath(s.stateDir, s.network, name)
	if err != nil {
		return nil, faultf(exitConfig, "name a directory with --state-dir", "no control socket: %v", err)
	}
	l, err := dialLocal(ctx, path)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, faultf(exitRefused, "run this as the user who runs the node", "the control socket %s is another user's", path)
	case ctx.Err() != nil:
		return nil, &fault{code: exitFailure, text: "interrupted", hint: "nothing was changed", cause: err}
	}
	return nil, faultf(exitUnreachable, "start it with \"fernmesh serve\", or name it with --name, and its network and state directory if they are not the usual ones",
		"no node %q of network %q runs on this machine (%s)", name, s.network, path)
}

// call asks the node for one of its own commands, as ask of a caller does.
func (l *localNode) call(timeout time.Duration, path string) (name string, a asked, err error) {
	answer, err := l.ask(timeout+time.Second, map[string]any{"do": "call", "path": path, "timeout_ms": max(1, min(timeout, maxControlCall).Milliseconds())})
	if err != nil {
		return "", asked{}, localFault(err)
	}
	name, _ = answer["node"].(string)
	a.err = answerError(answer)
	a.value = answer["value"]
	delete(answer, "node")
	a.outcome = answer
	return name, a, nil
}

// localFault explains why there was no answer from the control socket.
func localFault(err error) error {
	if errors.Is(err, io.EOF) {
		return faultf(exitUnreachable, "see whether the node still runs", "the node hung up")
	}
	return &fault{code: exitUnreachable, text: "the node on this machine does not answer: " + err.Error(), hint: "see whether the node still runs", cause: err}
}

// eventFromJSON is the event that eventJSON gave.
func eventFromJSON(m map[string]any) node.Event {
	text := func(key string) string { s, _ := m[key].(string); return s }
	e := node.Event{Kind: node.EventKind(text("event")), Node: text("node"), Reason: text("reason"), Detail: text("name")}
	e.Time, _ = time.Parse(time.RFC3339Nano, text("time")) // a time that cannot be read shows as none
	if path, ok := m["path"].(map[string]any); ok {
		e.Path.Kind, _ = path["kind"].(string)
		e.Path.Addr, _ = path["addr"].(string)
	}
	return e
}
