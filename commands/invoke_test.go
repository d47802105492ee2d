package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/internal/wire"
)

// failing calls a handler that ends with err or otherwise badly, and returns
// what its caller gets.
func failing(t *testing.T, h Handler) *Error {
	t.Helper()
	tree := NewTree()
	must(t, tree.Handle("f", h))
	cmd, _ := tree.Find("f")
	value, e := Invoke(t.Context(), cmd, &Call{})
	if e == nil {
		t.Fatalf("the call succeeded with %x", value)
	}
	return e
}

func failingWith(t *testing.T, err error) *Error {
	t.Helper()
	return failing(t, func(context.Context, *Call) (any, error) { return "ignored", err })
}

func TestS4_13_HandlerErrorsBecomeCodes(t *testing.T) {
	coded := Errorf(FailedPrecondition, "lamp is off")
	coded.RetryAfter, coded.Details = time.Second, map[string]any{"lamp": int64(3)}
	maybe := &Error{Code: Unavailable, Executed: ExecutedMaybe, Where: WherePath}
	for _, tc := range []struct {
		name     string
		err      error
		code     Code
		message  string
		executed Executed
	}{
		{"plain", errors.New("bulb broke"), Unknown, "bulb broke", ExecutedYes},
		{"wrapping plain", fmt.Errorf("set: %w", io.EOF), Unknown, "set: EOF", ExecutedYes},
		{"coded", coded, FailedPrecondition, "lamp is off", ExecutedYes},
		{"wrapped code", fmt.Errorf("kitchen: %w", coded), FailedPrecondition, "kitchen: lamp is off", ExecutedYes},
		{"refusal", Errorf(PermissionDenied, "no").DidNotRun(), PermissionDenied, "no", ExecutedNo},
		{"maybe", maybe, Unavailable, "", ExecutedMaybe},
		{"no code", &Error{Message: "x"}, Unknown, "x", ExecutedYes},
		{"code as error", NotFound, Unknown, "NOT_FOUND", ExecutedYes},
		{"deadline", context.DeadlineExceeded, DeadlineExceeded, "context deadline exceeded", ExecutedYes},
		{"wrapped deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), DeadlineExceeded, "query: context deadline exceeded", ExecutedYes},
		{"cancelled", context.Canceled, Cancelled, "context canceled", ExecutedYes},
		{"not UTF-8", errors.New("a\xffb"), Unknown, "a\uFFFDb", ExecutedYes},
	} {
		e := failingWith(t, tc.err)
		if e.Code != tc.code || e.Message != tc.message || e.Executed != tc.executed || e.Where != WhereHandler {
			t.Errorf("%s: %+v", tc.name, e)
		}
	}
	if e := failingWith(t, coded); e.RetryAfter != time.Second || e.Details["lamp"] != int64(3) || coded.Where != 0 {
		t.Errorf("%+v; the handler's own error is now %+v", e, coded)
	}
	if e := failingWith(t, errors.New(strings.Repeat("é", 1<<20))); len(e.Message) > maxMessage+2 {
		t.Errorf("a text of %d bytes", len(e.Message))
	}
}

func TestNilErrorVariableIsSuccess(t *testing.T) {
	tree := NewTree()
	var none *Error
	must(t, tree.Handle("plain", func(context.Context, *Call) (any, error) { return "fine", none }))
	must(t, Func(tree, "typed", func(context.Context, struct{}) (string, error) { return "fine", none }))
	for _, p := range []string{"plain", "typed"} {
		if v := ask(t, tree, p); v != "fine" {
			t.Errorf("%s: %v", p, v)
		}
	}
	if e := failingWith(t, fmt.Errorf("wrapped %w", none)); e.Code != Unknown {
		t.Errorf("%v", e)
	}
	if none.Error() == "" || none.Unwrap() != nil || none.Is(NotFound) {
		t.Error("methods of a nil *Error")
	}
}

type badError struct{ p *int }

func (e badError) Error() string { return fmt.Sprint(*e.p) }

type badMarshaler struct{}

func (badMarshaler) MarshalJSON() ([]byte, error) { panic("canary-7f3a in MarshalJSON") }

// TestR35_PanicsTellNothing lets handlers panic with secrets in every way: on
// the wire there is a code and an id, in the log there is the rest.
func TestR35_PanicsTellNothing(t *testing.T) {
	const canary = "canary-7f3a"
	var none map[string]int
	var nothing *badError
	for name, h := range map[string]Handler{
		"secret":        func(context.Context, *Call) (any, error) { panic("key " + canary) },
		"path":          func(context.Context, *Call) (any, error) { _, err := os.Open("/" + canary); panic(err) },
		"wrapped":       func(context.Context, *Call) (any, error) { panic(fmt.Errorf("x: %w", errors.New(canary))) },
		"coded":         func(context.Context, *Call) (any, error) { panic(Errorf(NotFound, canary)) },
		"nil map":       func(context.Context, *Call) (any, error) { none[canary] = 1; return nil, nil },
		"nil pointer":   func(context.Context, *Call) (any, error) { return *nothing.p, nil },
		"index":         func(_ context.Context, c *Call) (any, error) { return c.RawArgs[5], nil },
		"panic(nil)":    func(context.Context, *Call) (any, error) { panic(nil) },
		"goexit":        func(context.Context, *Call) (any, error) { runtime.Goexit(); return canary, nil },
		"deferred":      func(context.Context, *Call) (any, error) { defer panic(canary); panic("first") },
		"error's text":  func(context.Context, *Call) (any, error) { return nil, badError{} },
		"typed nil":     func(context.Context, *Call) (any, error) { return nil, nothing },
		"value's JSON":  func(context.Context, *Call) (any, error) { return badMarshaler{}, nil },
		"printed value": func(context.Context, *Call) (any, error) { panic(badError{}) },
	} {
		t.Run(name, func(t *testing.T) {
			tree := NewTree()
			var log bytes.Buffer
			tree.SetLogger(slog.New(slog.NewTextHandler(&log, nil)))
			must(t, tree.Handle("f", h))
			cmd, _ := tree.Find("f")
			value, e := Invoke(t.Context(), cmd, &Call{})
			if e == nil || value != nil {
				t.Fatalf("value %x, error %v", value, e)
			}
			if e.Code != Internal || e.Executed != ExecutedYes || e.Where != WhereHandler || e.Cause != nil || e.Details != nil {
				t.Errorf("%+v", e)
			}
			id, ok := strings.CutPrefix(e.Message, "internal error, id ")
			if !ok || !regexp.MustCompile("^[0-9a-f]{8}$").MatchString(id) {
				t.Errorf("message %q", e.Message)
			}
			onWire := string(wire.AppendFail(nil, e.Fail(1)))
			for _, leak := range []string{canary, ".go", "goroutine", "runtime", "/"} {
				if strings.Contains(onWire, leak) {
					t.Errorf("%q is on the wire: %q", leak, onWire)
				}
			}
			if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "goroutine ") {
				t.Errorf("the log has no id or no stack: %s", log.String())
			}
		})
	}
}

func TestPanicWithoutLoggerAndAnswerOnce(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("f", func(context.Context, *Call) (any, error) { panic("x") }))
	must(t, tree.Handle("g", says(1)))
	for _, p := range []string{"f", "g"} {
		cmd, _ := tree.Find(p)
		answers := 0
		Serve(t.Context(), cmd, &Call{}, func([]byte, *Error) { answers++ })
		if answers != 1 {
			t.Errorf("%s: %d answers", p, answers)
		}
	}
}

// TestUnsendableResultSaysItRan: the original sent an empty answer.
func TestUnsendableResultSaysItRan(t *testing.T) {
	cycle := map[string]any{}
	cycle["self"] = cycle
	type ring struct{ Next *ring }
	endless := &ring{}
	endless.Next = endless
	var self any
	self = &self
	for name, v := range map[string]any{
		"channel": make(chan int), "function": func() {}, "complex": 1i, "deep": []any{map[string]any{"a": make(chan int)}},
		"cycle": cycle, "ring": endless, "self": self, "error": errors.New("x"), "not UTF-8": "\xff", "key": map[bool]int{true: 1},
		"twins": map[any]int{}, "broken Raw": Raw{0xc1},
	} {
		e := failing(t, says(v))
		if e.Code != Internal || e.Executed != ExecutedYes || e.Where != WhereHandler || !strings.Contains(e.Message, "ran, but its value") {
			t.Errorf("%s: %v", name, e)
		}
	}
	large := failing(t, says(map[string]any{"a": make([]byte, 40<<20), "b": make([]byte, 40<<20)}))
	many := failing(t, says(make([]int, 5_000_000)))
	for _, e := range []*Error{large, many} {
		if e.Code != ResourceExhausted || e.Executed != ExecutedYes {
			t.Errorf("%v", e)
		}
	}
}

func TestWorkThatIsOverIsNotBegun(t *testing.T) {
	tree := NewTree()
	must(t, tree.Handle("f", func(context.Context, *Call) (any, error) { t.Error("it ran"); return nil, nil }))
	cmd, _ := tree.Find("f")
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for code, ctx := range map[Code]context.Context{DeadlineExceeded: expired, Cancelled: cancelled} {
		_, e := Invoke(ctx, cmd, &Call{})
		if e == nil || e.Code != code || e.Executed != ExecutedNo || e.Where != WhereQueue {
			t.Errorf("%v: %v", code, e)
		}
	}
}

func TestS4_19_ErrorsArriveAsValues(t *testing.T) {
	e := Errorf(OutOfRange, "level %d", 11)
	e.Executed, e.Where, e.RetryAfter = ExecutedYes, WhereHandler, 1500*time.Millisecond
	e.Details = map[string]any{"max": int64(10), "nested": []any{nil, "x"}}
	e.Hint, e.Cause = "turn it down", errors.New("secret cause")
	raw := wire.AppendFail(nil, e.Fail(7))
	if bytes.Contains(raw, []byte("secret")) || bytes.Contains(raw, []byte("turn")) {
		t.Errorf("local parts travel: %q", raw)
	}
	f, err := wire.ParseFail(raw)
	must(t, err)
	got := FromWire(f)
	want := *e
	want.Hint, want.Cause = "", nil
	if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) || f.Number != 7 {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	if !errors.Is(got, OutOfRange) || errors.Is(got, NotFound) || got.Error() != "OUT_OF_RANGE: level 11 (did run)" {
		t.Errorf("%v", got)
	}
}

func TestStrangeErrorsStillArrive(t *testing.T) {
	e := &Error{Code: 99, Message: "a\xff" + strings.Repeat("x", 1<<16), Details: map[string]any{"c": make(chan int)}}
	f := e.Fail(1)
	if f.Code != uint32(Unknown) || f.Details != nil || len(f.Message) > maxMessage+2 {
		t.Errorf("%d, %d bytes, %x", f.Code, len(f.Message), f.Details)
	}
	e.Details = map[string]any{"big": make([]byte, maxDetails)}
	if e.Fail(1).Details != nil {
		t.Error("large details travel")
	}
	got := FromWire(wire.Fail{Code: 0, Executed: 9, Where: 77, Message: "\xff", Details: []byte{0xc1}})
	if got.Code != Unknown || got.Executed != ExecutedMaybe || got.Message != "\uFFFD" || got.Details != nil {
		t.Errorf("%+v", got)
	}
	if got.Error() != "UNKNOWN: \uFFFD (may have run)" || got.Where.String() != "where 77" {
		t.Errorf("%v %v", got, got.Where)
	}
}

func TestErrorsOfContextAreFound(t *testing.T) {
	for code, target := range map[Code]error{DeadlineExceeded: context.DeadlineExceeded, Cancelled: context.Canceled} {
		if e := error(&Error{Code: code}); !errors.Is(e, target) || errors.Is(&Error{Code: Unknown}, target) {
			t.Errorf("%v", code)
		}
	}
	cause := errors.New("cause")
	if e := Errorf(Aborted, "x: %w", cause); !errors.Is(e, cause) || e.Message != "x: cause" || e.Error() != "ABORTED: x: cause" {
		t.Errorf("%v", e)
	}
}

func TestCodeNames(t *testing.T) {
	for code, want := range map[Code]string{0: "OK", 1: "CANCELLED", 5: "NOT_FOUND", 8: "RESOURCE_EXHAUSTED", 16: "UNAUTHENTICATED", 17: "CODE_17"} {
		if code.String() != want || code.Error() != want {
			t.Errorf("%d is %s", uint32(code), code)
		}
	}
	if ExecutedNo.String()+ExecutedMaybe.String()+ExecutedYes.String() != "nomaybeyes" || WhereHandler.String() != "handler" || Where(0).String() != "" {
		t.Error("names of executed or where")
	}
}
