package node

import (
	"maps"
	"slices"
	"time"
)

// CallOption adds something to a call or a gather. The zero value adds nothing.
type CallOption struct {
	args []any // of Args, which is in most calls and so costs no closure
	also func(callOptions) callOptions
}

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
		if o.args == nil {
			o.args = slices.Clip(opt.args)
		} else {
			o.args = append(o.args, opt.args...)
		}
		if opt.also != nil {
			o = opt.also(o)
		}
	}
	return o
}

// Args passes positional arguments. Each must be encodable as msgpack.
func Args(v ...any) CallOption { return CallOption{args: v} }

// Kwargs passes named arguments, added to those of earlier Kwargs options.
func Kwargs(m map[string]any) CallOption {
	return CallOption{also: func(o callOptions) callOptions {
		if o.kwargs == nil {
			o.kwargs = make(map[string]any, len(m))
		}
		maps.Copy(o.kwargs, m)
		return o
	}}
}

// Idempotent says that running the command twice does no harm: the call may
// then be retried where otherwise only its error could say that it may have
// run: at a callee that restarted in between, or whose memory of the outcome is
// gone. A command that is registered with [commands.Idempotent] needs no option.
func Idempotent() CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.idempotent = true; return o }}
}

// Hedge sends the call over two paths at once, the LAN and a relay or two
// relays, and takes the first answer: a slow or dying path then costs no time.
// The call has one id, so the command runs once all the same. A member with a
// single path gets a plain call.
func Hedge() CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.hedge = true; return o }}
}

// AtOnce bounds how many members of a gather are called at the same time
// (32); the others wait inside the same deadline. Values below 1 mean 1.
func AtOnce(n int) CallOption {
	return CallOption{also: func(o callOptions) callOptions { o.atOnce = max(n, 1); return o }}
}
