package commands

import (
	"context"

	"github.com/fernmesh/fernmesh/commands/internal/codec"
)

// plainCommand makes the command of a plain handler.
func plainCommand(path string, h Handler, s settings) (*Command, error) {
	if h == nil {
		return nil, Errorf(InvalidArgument, "command %s: the handler is nil", quoted(path))
	}
	if s.schemas.err != nil {
		return nil, Errorf(InvalidArgument, "command %s: %v", quoted(path), s.schemas.err)
	}
	check := s.schemas.check
	cmd, err := newCommand(path, s, func(ctx context.Context, c *Call) ([]byte, error) {
		if check != nil {
			if err := check(c); err != nil {
				return nil, err
			}
		}
		v, err := h(ctx, c)
		if err = realError(err); err != nil {
			return nil, err
		}
		raw, err := encodeResult(v)
		if err != nil {
			return nil, unsendableResult(err)
		}
		return raw, nil
	})
	if err != nil {
		return nil, err
	}
	cmd.check = check
	cmd.description.setSchemas(s.schemas.input, s.schemas.output)
	return cmd, nil
}

func newCommand(path string, s settings, run runner) (*Command, error) {
	p, err := ParsePath(path)
	if err != nil {
		return nil, err
	}
	for _, right := range s.rights {
		if !ValidRight(right) {
			return nil, Errorf(InvalidArgument, "command %s: the right %s is not made of up to %d letters, digits and . _ -", quoted(path), quoted(right), MaxRight)
		}
	}
	d := Description{Path: path, Doc: s.doc, Idempotent: s.idempotent, Inline: s.inline, Rights: s.rights}
	return &Command{path: p, description: d, run: run}, nil
}

// realError returns err, or nil for an *Error that is nil inside: the handler
// that returns such a variable means that all went well.
func realError(err error) error {
	if e, ok := err.(*Error); ok && e == nil {
		return nil
	}
	return err
}

// encodeResult encodes the value of a plain handler. What is a Raw is copied all
// the same: the node keeps the outcome, and the handler may use its memory again.
func encodeResult(v any) ([]byte, error) {
	if raw, ok := v.(Raw); ok {
		return codec.EncodeRaw(raw)
	}
	return codec.Encode(v)
}

// unsendableResult is the error of a command whose value cannot be encoded.
func unsendableResult(err error) *Error {
	return problemError(Internal, "the command ran, but its value cannot be sent: value", err)
}
