package commands

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/fernmesh/fernmesh/internal/items"
)

// Handler is the plain form of a command: it takes its arguments from the call
// and returns any value that [EncodeValue] accepts, nil included.
//
// The context carries the deadline of the call and is cancelled when no caller
// waits any more. Calls run at the same time, each on its own goroutine.
// How an error reaches the caller is said at [Serve].
type Handler func(ctx context.Context, c *Call) (any, error)

// Command is a registered command. It never changes: replacing a command puts
// another one into the tree, and calls that hold the old one finish on it.
type Command struct {
	path        Path
	description Description
	run         runner
	check       func(*Call) error            // of the arguments, before run; nil accepts all
	logger      *atomic.Pointer[slog.Logger] // the tree's
	memory      *items.Budget                // the tree's, for large items that arrive
}

// runner runs a command and returns its encoded value. An error made of a
// refused argument or an unencodable value is an *Error that says so.
type runner func(ctx context.Context, c *Call) ([]byte, error)

// Path returns where the command was registered.
func (c *Command) Path() Path { return c.path }

// Idempotent reports whether the command was registered with [Idempotent].
func (c *Command) Idempotent() bool { return c.description.Idempotent }

// Inline reports whether the command was registered with [Inline].
func (c *Command) Inline() bool { return c.description.Inline }

// Description returns what is known about the command. Its schemas are
// shared and must not be changed.
func (c *Command) Description() Description { return c.description }

// Description is what a caller may learn about a command without calling it.
// It can be encoded by [EncodeValue] and by encoding/json.
type Description struct {
	Path       string `json:"path"`
	Doc        string `json:"doc,omitempty"`
	Idempotent bool   `json:"idempotent,omitempty"`
	Inline     bool   `json:"inline,omitempty"` // registered with [Inline]

	// Rights are those that a caller needs, see [Requires].
	Rights []string `json:"rights,omitempty"`

	// Arguments are the names of the arguments that Input describes, in the
	// order in which positional ones fill them.
	Arguments []string `json:"arguments,omitempty"`

	// Input and Output are JSON Schemas, of the named arguments and of the
	// value. They are nil for a plain handler that was registered without
	// [Input], [Output] or [Schemas].
	Input  *jsonschema.Schema `json:"input,omitempty"`
	Output *jsonschema.Schema `json:"output,omitempty"`

	// Streams is which way values stream beside arguments and value; "" is a
	// command that does not stream. Item and InputItem are the JSON Schemas of
	// each value that it sends and takes, nil where there are none or a plain
	// handler does not say. A command that streams output has no Output: its
	// value, when all went well, is nil.
	Streams   Streams            `json:"streams,omitempty"`
	Item      *jsonschema.Schema `json:"item,omitempty"`
	InputItem *jsonschema.Schema `json:"input_item,omitempty"`
}

// Option changes how a command is registered or removed.
type Option func(*settings)

type settings struct {
	doc        string
	idempotent bool
	inline     bool
	replace    bool
	force      bool
	schemas    schemas
	rights     []string
}

func apply(opts []Option) (s settings) {
	for _, o := range opts {
		o(&s)
	}
	return s
}

// Doc gives the command a text for people. The first line should stand alone.
func Doc(text string) Option { return func(s *settings) { s.doc = text } }

// Idempotent says that running the command twice does no more than running it
// once, so that a call may be repeated although nobody knows whether it ran.
func Idempotent() Option { return func(s *settings) { s.idempotent = true } }

// Inline says that the handler is quick: it takes far less than a millisecond,
// waits for nothing and makes no calls. A node runs it on the goroutine that
// reads the caller's link, without one of its own, which saves about as much as
// a small call costs otherwise. All that holds for other calls holds for it:
// deadline, limits, policy, interceptors, panics and statistics. Commands that
// stream are never run so, nor are calls that had to wait for their turn.
//
// What comes over the same link waits until the handler returns. Should it take
// longer than Limits.InlineBudget of its node, another goroutine goes on with
// the reading, and calls of the command have goroutines of their own, as without
// Inline: for a second, and each time it happens again for twice as long, up to
// ten minutes. Registering a command anew ends that.
func Inline() Option { return func(s *settings) { s.inline = true } }

// Replace lets a registration take the place of an existing command. Calls
// that run at that moment finish on the old one.
func Replace() Option { return func(s *settings) { s.replace = true } }

// Force allows what is refused for safety: to register, replace or remove
// below a root of the form __x__. It includes [Replace].
func Force() Option { return func(s *settings) { s.force, s.replace = true, true } }
