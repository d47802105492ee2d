package discovery

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// source is one way to learn about nodes: UDP adverts, mDNS, static peers. It
// puts what it finds into the Service that made it.
type source interface {
	// name is SourceUDP, SourceMDNS or SourceStatic.
	name() string
	// run works until ctx ends. What fails meanwhile it reports and tries
	// again. All its goroutines have ended when it returns.
	run(ctx context.Context)
}

// tend runs a source until ctx ends. A panic is reported as a failure, and the
// source is run again later.
func (s *Service) tend(ctx context.Context, src source) {
	retry := s.cfg.Timers.backoff()
	h := newHealth(src.name(), s.events, s.cfg.Logger)
	for {
		began := time.Now()
		recovery := time.AfterFunc(s.cfg.Timers.RetryMin, func() { h.set("", nil) })
		err := s.guarded(ctx, src)
		recovery.Stop()
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > s.cfg.Timers.RetryMax {
			retry.reset()
		}
		h.set("", err)
		if !sleep(ctx, retry.wait()) {
			return
		}
	}
}

// guarded runs a source and turns a panic into an error.
func (s *Service) guarded(ctx context.Context, src source) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(src.name(), v)
		}
	}()
	src.run(ctx)
	return nil
}

// panicked logs a panic in a source and returns it as an error.
func (s *Service) panicked(source string, v any) error {
	s.cfg.Logger.Error("discovery source panicked", "source", source, "panic", v, "stack", string(debug.Stack()))
	return fmt.Errorf("internal error: %v", v)
}

// sleep waits, and tells whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
