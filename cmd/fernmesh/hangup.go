package main

import (
	"context"
	"os"
)

// A SIGHUP ends the program, as it does by default, but has "serve" and
// "expose" read their files again: unless it came because the terminal is gone
// in which such a node was started.

// watchHangups cancels at a hangup, until done is closed, unless a node takes it.
func (m *Main) watchHangups(done <-chan struct{}, cancel func()) {
	for {
		select {
		case <-m.Hangup:
			if !m.reloading.Load() || m.terminalGone() {
				cancel()
				return
			}
			select {
			case m.reloads <- struct{}{}:
			default: // one is to come anyway, and reads what is there then
			}
		case <-done:
			return
		}
	}
}

// underHangups is ctx as it ends at a hangup that nobody takes; end stops the watch.
func (m *Main) underHangups(ctx context.Context) (_ context.Context, end func()) {
	m.reloads = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	if m.Hangup == nil {
		return ctx, cancel
	}
	f, ok := m.Stdin.(*os.File)
	m.onTerminal = ok && isTerminal(f)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		m.watchHangups(done, cancel)
	}()
	return ctx, func() {
		close(done)
		<-ended
		cancel()
	}
}

// terminalGone tells whether standard input was a terminal and is none any more.
func (m *Main) terminalGone() bool {
	if !m.onTerminal {
		return false
	}
	f, ok := m.Stdin.(*os.File)
	return ok && !isTerminal(f)
}
