package node

import "time"

// CallOption adds something to a call or a gather.
type CallOption func(*callOptions)

type callOptions struct {
	args       []any
	kwargs     map[string]any
	idempotent bool
	dryRun     bool
	hedge      bool
	atOnce     int
	wish       wish
	rules      []rule
	stallGap   time.Duration
}

// defaultAtOnce is how many members of a gather are called at the same time.
const defaultAtOnce = 32

func collect(opts []CallOption) callOptions {
	o := callOptions{atOnce: defaultAtOnce}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Args passes positional arguments. Each must be encodable as msgpack.
func Args(v ...any) CallOption {
	return func(o *callOptions) { o.args = append(o.args, v...) }
}

// Kwargs passes named arguments, added to those of earlier Kwargs options.
func Kwargs(m map[string]any) CallOption {
	return func(o *callOptions) {
		if o.kwargs == nil {
			o.kwargs = make(map[string]any, len(m))
		}
		for k, v := range m {
			o.kwargs[k] = v
		}
	}
}

// Idempotent says that running the command twice does no harm: the call may
// then be retried where otherwise only its error could say that it may have
// run: at a callee that restarted in between, or whose memory of the outcome is
// gone. A command that is registered with [commands.Idempotent] needs no option.
func Idempotent() CallOption {
	return func(o *callOptions) { o.idempotent = true }
}

// Hedge sends the call over two paths at once, the LAN and a relay or two
// relays, and takes the first answer: a slow or dying path then costs no time.
// The call has one id, so the command runs once all the same. A member with a
// single path gets a plain call.
func Hedge() CallOption {
	return func(o *callOptions) { o.hedge = true }
}

// AtOnce bounds how many members of a gather are called at the same time
// (32); the others wait inside the same deadline. Values below 1 mean 1.
func AtOnce(n int) CallOption {
	return func(o *callOptions) { o.atOnce = max(n, 1) }
}
