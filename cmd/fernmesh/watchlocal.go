package main

import (
	"context"
	"errors"
	"io"
)

// runLocal prints the events of the node of this machine until ctx or the node ends.
func (w *watching) runLocal(ctx context.Context, flags []*recorder) error {
	s, err := w.settings(flags)
	if err != nil {
		return err
	}
	l, err := s.local(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	answer, err := l.ask(s.timeout, map[string]any{"do": "events"})
	if err == nil {
		err = answerError(answer)
	}
	for err == nil {
		var event map[string]any
		if event, err = l.next(); err != nil {
			break
		}
		more, failed := true, error(nil)
		if s.json {
			more, failed = w.printed(w.printJSON(event))
		} else {
			more, failed = w.print(eventFromJSON(event), false)
		}
		if !more {
			return failed
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil // interrupted, which is how a watch ends
	case errors.Is(err, io.EOF):
		return faultf(exitUnreachable, "start it again; --local needs a node that runs", "the node has ended")
	}
	return localFault(err)
}
