package fernotel

import (
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/fernmesh/fernmesh/commands"
)

// Attributes that the conventions do not have; doc.go says what they mean.
const (
	pathKey     = attribute.Key("fernmesh.path")
	executedKey = attribute.Key("fernmesh.executed")
	whereKey    = attribute.Key("fernmesh.where")
	streamKey   = attribute.Key("fernmesh.stream")
)

var systemName = semconv.RPCSystemNameKey.String(string(system))

// errNoReturn stands for a call whose interceptors panicked.
var errNoReturn = commands.Errorf(commands.Internal, "an interceptor did not return")

// outcome puts how a call ended on its span, and returns what its metric has of
// it. failed tells which codes make the span an error.
func outcome(span trace.Span, err error, failed func(commands.Code) bool) []attribute.KeyValue {
	if err == nil {
		ok := semconv.RPCResponseStatusCode("OK")
		span.SetAttributes(ok)
		return []attribute.KeyValue{ok}
	}
	code, message := commands.Unknown, err.Error()
	var e *commands.Error
	if errors.As(err, &e) && e != nil {
		code, message = e.Code, e.Message
		if e.Where != 0 {
			span.SetAttributes(executedKey.String(e.Executed.String()), whereKey.String(e.Where.String()))
		}
	}
	attrs := []attribute.KeyValue{semconv.RPCResponseStatusCode(code.String())}
	if failed(code) {
		attrs = append(attrs, semconv.ErrorTypeKey.String(code.String()))
		span.SetStatus(codes.Error, message)
	}
	span.SetAttributes(attrs...)
	return attrs
}

// isError: to a client every code but OK is an error.
func isError(commands.Code) bool { return true }

// isServerError tells which codes say that the server failed, and not that the
// caller asked for what it cannot have.
func isServerError(c commands.Code) bool {
	switch c {
	case commands.Unknown, commands.DeadlineExceeded, commands.Unimplemented, commands.Internal, commands.Unavailable, commands.DataLoss:
		return true
	}
	return false
}
