package main

import (
	"time"

	"github.com/fernmesh/fernmesh/commands"
)

// controlRequest is a line that the control socket was sent.
type controlRequest struct {
	do      string
	file    string // a reload concerns only a node that runs with it; "" = any
	path    string
	args    []any
	kwargs  map[string]any
	timeout time.Duration
}

// parseControlRequest reads one line. Members that nobody knows are refused, so
// that a request never means less than its sender thinks.
func parseControlRequest(line string) (*controlRequest, error) {
	v, err := parseJSON(line)
	if err != nil {
		return nil, badRequest("it is not JSON that can be used: %v", err)
	}
	members, ok := v.(map[string]any)
	if !ok {
		return nil, badRequest("it is no JSON object")
	}
	r := &controlRequest{timeout: defaultTimeout}
	for _, key := range sortedKeys(members) {
		if err := r.set(key, members[key]); err != nil {
			return nil, err
		}
	}
	switch {
	case r.do != "call" && r.do != "events" && r.do != "reload-keys":
		return nil, badRequest(`do must be "call", "events" or "reload-keys"`)
	case r.do == "call" && r.path == "":
		return nil, badRequest("path is missing")
	case r.file != "" && r.do != "reload-keys", len(members) > 1 && r.do == "events":
		return nil, badRequest("it has a member that belongs to another request")
	}
	return r, nil
}

// set takes one member of a request.
func (r *controlRequest) set(key string, v any) error {
	ok := false
	switch key {
	case "do":
		r.do, ok = v.(string)
	case "file":
		r.file, ok = v.(string)
	case "path":
		r.path, ok = v.(string)
	case "args":
		r.args, ok = v.([]any)
	case "kwargs":
		r.kwargs, ok = v.(map[string]any)
	case "timeout_ms":
		var ms int64
		if ms, ok = v.(int64); ok && ms < 1 || ms > maxControlCall.Milliseconds() {
			return badRequest("timeout_ms must be 1 to %d", maxControlCall.Milliseconds())
		}
		r.timeout = time.Duration(ms) * time.Millisecond
	default:
		return badRequest("it has a member that is not known")
	}
	if !ok {
		return badRequest("%s is of the wrong type", key)
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return commands.Errorf(commands.InvalidArgument, "the request: "+format, args...).DidNotRun()
}
