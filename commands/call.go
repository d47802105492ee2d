package commands

import (
	"context"
	"encoding/hex"
	"reflect"
	"strconv"
	"time"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
	"github.com/fernmesh/fernmesh/crypto"
)

// CallID names one logical call, the same over every path and repeat.
type CallID [16]byte

// String returns 32 hex digits.
func (id CallID) String() string { return hex.EncodeToString(id[:]) }

// Caller is who made a call, as far as it is known.
type Caller struct {
	Name     string            // the name claimed; "" for an observer
	Key      crypto.NodeKey    // zero when the caller showed no identity
	Verified bool              // the caller proved that it holds Key
	Instance crypto.InstanceID // random per start of the caller's process
	Network  string            // the network over which the call came
	Path     string            // the kind of path: "lan", "relay", …
	Observer bool              // a caller that is no node: a command line, for instance
}

// Call is one call as its handler sees it. Arguments are decoded when they
// are asked for, so what a handler ignores costs nothing. All methods may be
// used from several goroutines.
type Call struct {
	Path   Path
	Caller Caller
	ID     CallID

	Arrived time.Time // when the node received the call; zero if nobody noted it

	RawArgs   []byte // msgpack array as received; empty = none. Must not be changed
	RawKwargs []byte // msgpack map as received; empty = none. Must not be changed

	Trace  []byte // the caller's trace context, a msgpack value as received; empty = none
	DryRun bool   // the caller only asks whether the command would run
	Pipe   Pipe   // nil unless the caller opened the call as a stream
}

type callKey struct{}

// CallOf returns the call that a typed handler serves, so that it can learn
// who calls. The context must be the handler's or made from it.
func CallOf(ctx context.Context) (*Call, bool) {
	c, ok := ctx.Value(callKey{}).(*Call)
	return c, ok
}

// NumArgs returns the number of positional arguments.
func (c *Call) NumArgs() (int, error) {
	n, err := codec.Count(c.RawArgs)
	return n, argumentError("arguments", err)
}

// Args returns all positional arguments, decoded as [DecodeValue] does into
// an interface. Without arguments the slice is empty.
func (c *Call) Args() ([]any, error) {
	args := []any{}
	if len(c.RawArgs) == 0 {
		return args, nil
	}
	return args, argumentError("argument", codec.Decode(c.RawArgs, &args))
}

// Kwargs returns all named arguments, decoded as [DecodeValue] does into an
// interface. Without arguments the map is empty.
func (c *Call) Kwargs() (map[string]any, error) {
	kwargs := map[string]any{}
	if len(c.RawKwargs) == 0 {
		return kwargs, nil
	}
	return kwargs, argumentError("argument", codec.Decode(c.RawKwargs, &kwargs))
}

// Arg returns the positional argument i, counted from 0. An argument that is
// missing, or does not fit a T without loss, is an *[Error] with the code
// INVALID_ARGUMENT that says so; a handler may return it as it is.
//
// A [Raw] is cut out of RawArgs: it costs no memory, and must not be changed.
func Arg[T any](c *Call, i int) (T, error) {
	var v T
	raw, isRaw := any(&v).(*Raw)
	if !isRaw {
		return decodedArg[T](c, i)
	}
	var err error
	*raw, err = rawArg(c, i)
	return v, err
}

// decodedArg is Arg of all other types.
func decodedArg[T any](c *Call, i int) (T, error) {
	var v T
	ok, err := codec.Element(c.RawArgs, i, reflect.ValueOf(&v).Elem())
	if err == nil && !ok {
		return v, Errorf(InvalidArgument, "argument %d: missing", i)
	}
	if err != nil {
		err = argumentError("argument "+strconv.Itoa(i), err)
	}
	return v, err
}

// rawArg is Arg of a Raw.
func rawArg(c *Call, i int) (Raw, error) {
	raw, ok, err := codec.RawElement(c.RawArgs, i)
	if err != nil {
		return nil, argumentError("argument "+strconv.Itoa(i), err)
	}
	if !ok {
		return nil, Errorf(InvalidArgument, "argument %d: missing", i)
	}
	return raw, nil
}

// Kwarg returns the named argument, and whether it was given. One that does
// not fit a T without loss is an error as for [Arg].
func Kwarg[T any](c *Call, name string) (v T, given bool, err error) {
	given, err = codec.Entry(c.RawKwargs, name, reflect.ValueOf(&v).Elem())
	return v, given, argumentError("argument "+name, err)
}
