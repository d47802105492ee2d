package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// printJSON prints v as JSON on one line.
func (m *Main) printJSON(v any) error {
	_, err := fmt.Fprintln(m.out, compactJSON(v))
	return err
}

// printValue prints the value of a call for people: a text as it is, with its
// line breaks; anything else as JSON.
func (m *Main) printValue(v any) error {
	text, ok := v.(string)
	if !ok {
		text = indentedJSON(v)
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, err := m.out.Write([]byte(text))
	return err
}

// printRaw prints a value byte for byte: texts and bytes as they are, with
// nothing after them; anything else as JSON.
func (m *Main) printRaw(v any) error {
	var b []byte
	switch v := v.(type) {
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		b = []byte(compactJSON(v) + "\n")
	}
	_, err := m.out.WriteRaw(b)
	return err
}

// oneLine shows a value on one line.
func oneLine(v any) string {
	if text, ok := v.(string); ok {
		return escapeLine(text)
	}
	return compactJSON(v)
}

// milliseconds shows a round trip: 0.42 ms.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", inMilliseconds(d)) }

// inMilliseconds is how JSON output shows durations, to the microsecond.
func inMilliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// pathText shows the way that an answer took: "lan 192.168.1.5:4000", or
// "relay relay.example:3376".
func pathText(p node.PathInfo) string {
	return strings.TrimSpace(p.Kind + " " + pathAddr(p))
}

// pathAddr is a path's address without its kind, which that of a relay begins with.
func pathAddr(p node.PathInfo) string { return strings.TrimPrefix(p.Addr, p.Kind+" ") }

// pathJSON is a path in JSON output; the keys stay.
func pathJSON(p node.PathInfo) map[string]any {
	return map[string]any{"kind": p.Kind, "addr": pathAddr(p)}
}

// errorJSON is a call's error in JSON output; the keys stay.
func errorJSON(err *commands.Error) map[string]any {
	m := map[string]any{
		"code": err.Code.String(), "message": err.Message,
		"executed": err.Executed.String(), "where": err.Where.String(),
	}
	if err.RetryAfter > 0 {
		m["retry_after_ms"] = inMilliseconds(err.RetryAfter)
	}
	if len(err.Details) > 0 {
		m["details"] = map[string]any(err.Details)
	}
	return m
}
