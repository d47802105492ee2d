package node

import (
	"context"
	"errors"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/wire"
	"github.com/fernmesh/fernmesh/node/internal/rpc"
)

// ServeInterceptor stands around the commands that a node runs
// ([Config.ServeInterceptors]), after everything else that may refuse a call; of a
// streaming call it sees the whole life. call and cmd must not be changed.
//
// next runs the command, once at most, and returns its outcome: the value as
// msgpack, see [commands.DecodeValue], or the *commands.Error that the caller
// would get, also of a handler that panicked. The interceptor returns that, or
// another value made by [commands.EncodeValue] (nil is the value nil), or an error of its own; without
// calling next it refuses the call. The context that it hands on is the
// handler's.
//
// Errors become *commands.Error as those of handlers do, where handler. What
// they say about the run is what happened: executed no if next was not called,
// else as the command's outcome says. An interceptor that panics or ends its
// goroutine makes INTERNAL, as a handler does. Interceptors run on the
// goroutine of their call, many at a time.
type ServeInterceptor func(ctx context.Context, call *commands.Call, cmd *commands.Command, next func(context.Context) ([]byte, error)) ([]byte, error)

// intercepted puts the interceptors around the rest of the chain.
func intercepted(interceptors []ServeInterceptor, next rpc.ServeFunc) rpc.ServeFunc {
	if len(interceptors) == 0 {
		return next
	}
	return func(ctx context.Context, cmd *commands.Command, c *commands.Call, answer func([]byte, *commands.Error)) {
		s := &serveChain{interceptors: interceptors, next: next, cmd: cmd, call: c}
		returned := false
		defer func() {
			if returned {
				return
			}
			e := cmd.Crashed(recover()) // nothing after Goexit
			e.Executed = s.executed()
			answer(nil, e)
		}()
		value, failed := s.run(ctx)
		returned = true
		answer(value, failed)
	}
}

// serveChain is one call on its way through the interceptors to its command.
// It belongs to the goroutine of the call.
type serveChain struct {
	interceptors []ServeInterceptor
	next         rpc.ServeFunc
	cmd          *commands.Command
	call         *commands.Call

	began  bool // next was called
	value  []byte
	failed *commands.Error
}

var (
	errRunTwice = errors.New("an interceptor asked for a second run of the command")
	errNoValue  = errors.New("an interceptor returned a value that is not msgpack of at most 64 MiB")
)

func (s *serveChain) run(ctx context.Context) ([]byte, *commands.Error) {
	value, err := s.from(0)(ctx)
	if err != nil {
		return nil, s.failure(err) // asks the error for its text: the interceptor's code too
	}
	switch {
	case len(value) == 0:
		return wire.AppendNil(nil), nil
	case !same(value, s.value) && (len(value) > wire.MaxBig || wire.Guard(value, wire.Data) != nil):
		return nil, s.failure(commands.Errorf(commands.Internal, "%w", errNoValue))
	}
	return value, nil
}

// same tells whether two slices are the same memory.
func same(a, b []byte) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// from is the rest of the way, from interceptor i on.
func (s *serveChain) from(i int) func(context.Context) ([]byte, error) {
	if i == len(s.interceptors) {
		return s.end
	}
	interceptor, next := s.interceptors[i], s.from(i+1)
	return func(ctx context.Context) ([]byte, error) { return interceptor(ctx, s.call, s.cmd, next) }
}

// end runs the command on a goroutine of its own, so that a handler that ends
// its goroutine does not take the interceptors along, and returns after it.
func (s *serveChain) end(ctx context.Context) ([]byte, error) {
	if s.began {
		return nil, commands.Errorf(commands.Internal, "%w", errRunTwice)
	}
	s.began = true
	done := make(chan struct{})
	go s.next(ctx, s.cmd, s.call, func(value []byte, failed *commands.Error) {
		s.value, s.failed = value, failed
		close(done)
	})
	<-done
	if s.failed != nil {
		return nil, s.failed
	}
	return s.value, nil
}

// executed says whether the command ran.
func (s *serveChain) executed() commands.Executed {
	switch {
	case !s.began:
		return commands.ExecutedNo
	case s.failed != nil:
		return s.failed.Executed
	}
	return commands.ExecutedYes
}

// failure is what the caller gets for an error that the interceptors returned.
func (s *serveChain) failure(err error) *commands.Error {
	if e, ok := err.(*commands.Error); ok && e == s.failed {
		return e
	}
	e := commands.FromHandler(err)
	e.Executed = s.executed()
	return e
}
