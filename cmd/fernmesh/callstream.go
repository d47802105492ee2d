package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/node"
)

// asStream tells whether a call failed only because its command streams, so
// that it may be made as a stream: the command did not run. streams says which
// way.
func asStream(err error) (streams commands.Streams, ok bool) {
	var e *commands.Error
	if !errors.As(err, &e) || e.Code != commands.FailedPrecondition || e.Executed != commands.ExecutedNo {
		return "", false
	}
	text, ok := e.Details["streams"].(string)
	return commands.Streams(text), ok
}

// stream makes the call as a stream: it sends items, if there are any to send,
// and prints each value as it comes, then the last one if it is not nil. The
// goroutine that reads items ends with the process: nothing can end a read from
// a terminal.
func (r *callRun) stream(ctx context.Context, c *caller, streams commands.Streams) error {
	s := c.Stream(ctx, r.target.text, r.path, r.options...)
	defer s.Close()
	sent := make(chan error, 1)
	switch {
	case r.items != nil:
		go func() {
			err := sendItems(s, r.items)
			sent <- err
			if err != nil {
				_ = s.Close() // never fails
			}
		}()
	case streams != commands.StreamsOutput:
		_ = s.CloseSend() // there are none; after the end that is no news
	}
	for v, err := range s.Values() {
		if err != nil {
			return r.streamFault(err, sent)
		}
		if err := r.printItem(c, v); err != nil {
			return err
		}
	}
	reply, err := s.Result()
	if err != nil {
		return r.streamFault(err, sent)
	}
	v, err := reply.Value()
	if err != nil {
		return answerFault(err)
	}
	if v == nil {
		return nil
	}
	return r.printItem(c, v)
}

// streamFault explains how a stream ended: by a bad item, if there was one.
func (r *callRun) streamFault(err error, sent <-chan error) error {
	select {
	case bad := <-sent:
		if bad != nil {
			return bad
		}
	default:
	}
	return callFault(err, r.target.text, r.path)
}

// printItem prints one value of a stream on a line of its own.
func (r *callRun) printItem(c *caller, v any) error {
	if r.raw {
		return r.printRaw(v)
	}
	line := oneLine(v)
	if c.json {
		line = compactJSON(v)
	}
	_, err := fmt.Fprintln(r.out, line)
	return err
}

// sendItems sends each line as an item: JSON where it is JSON, else text. The
// error is a fault of the items; how the call went, its result says.
func sendItems(s *node.Stream, from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxStdin)
	for number := 1; lines.Scan(); number++ {
		v, err := parseJSON(lines.Text())
		if errors.Is(err, errNotJSON) {
			v, err = lines.Text(), nil
		}
		if err == nil {
			err = s.Send(v)
		}
		switch {
		case errors.Is(err, io.EOF): // the call has ended
			return nil
		case err != nil:
			return faultf(exitUsage, "each line is one item, JSON or text", "item in line %d: %v", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return faultf(exitUsage, "each line is one item, JSON or text, of 64 MiB at most", "the items cannot be read: %v", err)
	}
	_ = s.CloseSend() // after the end that is no news
	return nil
}

// openItems opens what --items names: a file, or "-" for standard input. "" is
// nothing.
func (m *Main) openItems(name string) (io.Reader, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return m.Stdin, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, faultf(exitUsage, `name a file that can be read, or "-" for standard input`, "--items: %v", err)
	}
	return f, nil // open until the process ends
}
