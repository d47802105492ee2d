package commands

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// Raw is a value that is encoded already: exactly one msgpack value. A handler
// that returns a Raw passes it on untouched, and an argument or a value can be
// decoded into one. A nil Raw is the value nil.
type Raw = codec.Raw

// EncodeValue encodes a value by the rules in the package comment. The error
// is an *[Error] with the code INVALID_ARGUMENT, or RESOURCE_EXHAUSTED above 64 MiB.
func EncodeValue(v any) ([]byte, error) {
	raw, err := codec.Encode(v)
	return raw, unsendable("value", err)
}

// EncodeArgs encodes positional arguments. Errors are those of [EncodeValue],
// executed no, at the caller; they name the argument by its position.
func EncodeArgs(args []any) ([]byte, error) { return AppendArgs(nil, args) }

// AppendArgs is [EncodeArgs] onto dst, which comes back as it was with an error.
func AppendArgs(dst []byte, args []any) ([]byte, error) {
	raw, err := codec.AppendList(dst, args)
	return raw, unsendable("argument", err)
}

// EncodeKwargs encodes named arguments. Errors are those of [EncodeArgs].
func EncodeKwargs(kwargs map[string]any) ([]byte, error) { return AppendKwargs(nil, kwargs) }

// AppendKwargs is [EncodeKwargs] onto dst, which comes back as it was with an
// error.
func AppendKwargs(dst []byte, kwargs map[string]any) ([]byte, error) {
	if kwargs == nil {
		kwargs = map[string]any{}
	}
	raw, err := codec.Append(dst, kwargs)
	return raw, unsendable("argument", err)
}

// EncodeInput encodes a struct, or a map with text keys, as named arguments:
// the other side of a handler made by [Func]. Nil means no arguments. Errors are
// those of [EncodeArgs].
func EncodeInput(in any) ([]byte, error) {
	return AppendInput(nil, in)
}

// AppendInput is [EncodeInput] onto dst, which comes back as it was with an error.
func AppendInput(dst []byte, in any) ([]byte, error) {
	if in == nil {
		return AppendKwargs(dst, nil)
	}
	raw, err := codec.Append(dst, in)
	if err == nil && !isMap(raw[len(dst):]) {
		e := Errorf(InvalidArgument, "arguments: %T is neither a struct nor a map", in)
		e.Where = WhereCaller
		return dst, e
	}
	return raw, unsendable("argument", err)
}

// isMap reports whether an encoded value is a map.
func isMap(raw []byte) bool {
	return raw[0]&0xf0 == 0x80 || raw[0] == 0xde || raw[0] == 0xdf
}

// DecodeValue decodes raw into the variable that v points to, by the rules in
// the package comment: what does not fit is an error, never another value.
// Fields that the struct does not know are passed over, so that a command may
// add to its value; absent ones are left as they are.
//
// The error is an *[Error] with the code INTERNAL, executed yes, at the caller.
func DecodeValue(raw []byte, v any) error {
	err := codec.Decode(raw, v)
	if err == nil {
		return nil
	}
	e := Errorf(Internal, "the value does not fit a %s: %w", strings.TrimPrefix(fmt.Sprintf("%T", v), "*"), err)
	e.Executed, e.Where = ExecutedYes, WhereCaller
	return e
}

// unsendable makes the error of something that cannot be encoded.
func unsendable(what string, err error) error {
	if err == nil {
		return nil
	}
	e := problemError(InvalidArgument, what, err)
	e.Where = WhereCaller
	return e
}

// argumentError makes the error of an argument that cannot be decoded.
func argumentError(what string, err error) error {
	if err == nil {
		return nil
	}
	return problemError(InvalidArgument, what, err)
}

// problemError puts the words together: "argument level: expected …, got …".
// The place is what was coded as a whole; "argument" is any one of the arguments.
func problemError(code Code, place string, err error) *Error {
	var p *codec.Problem
	if !errors.As(err, &p) {
		return Errorf(code, "%s: %v", place, err)
	}
	if p.TooLarge {
		code = ResourceExhausted
	}
	path := p.Path
	if place == "argument" {
		place, path = whichArgument(path)
	}
	return Errorf(code, "%s%s: %s", place, path, p.Text)
}

// whichArgument turns a path into all the arguments, ".level.x" or "[2].x",
// into "argument level" or "argument 2" and the rest.
func whichArgument(path string) (place, rest string) {
	switch {
	case path == "":
		return "arguments", ""
	case path[0] == '[':
		i, rest, _ := strings.Cut(path[1:], "]")
		return "argument " + i, rest
	}
	return "argument " + path[1:], ""
}
