package commands_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernmesh/fernmesh/commands"
	"github.com/fernmesh/fernmesh/internal/items"
	"github.com/fernmesh/fernmesh/internal/mempipe"
)

type span struct {
	From int32 `json:"from"`
	To   int32 `json:"to"`
}

type reading struct {
	Level int8 `json:"level"`
}

func count(_ context.Context, in span) iter.Seq2[int32, error] {
	return func(yield func(int32, error) bool) {
		for i := in.From; i < in.To; i++ {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func sum(_ context.Context, _ struct{}, items iter.Seq2[reading, error]) (int, error) {
	total := 0
	for r, err := range items {
		if err != nil {
			return 0, err
		}
		total += int(r.Level)
	}
	return total, nil
}

func double(_ context.Context, _ struct{}, items iter.Seq2[int, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i, err := range items {
			if !yield(2*i, err) {
				return
			}
		}
	}
}

func streamTree(t *testing.T) *commands.Tree {
	t.Helper()
	tree := commands.NewTree()
	if err := errors.Join(
		commands.ServerStream(tree, "count", count, commands.Doc("Count.")),
		commands.ClientStream(tree, "sum", sum),
		commands.BidiStream(tree, "double", double),
	); err != nil {
		t.Fatal(err)
	}
	return tree
}

// streaming is the caller's side of a call that was made as a stream.
type streaming struct {
	pipe   *mempipe.End
	in     *items.Reader
	cancel context.CancelFunc
	done   chan struct{}
	value  []byte
	err    *commands.Error
}

// stream does what a node does for a call that has arrived as a stream.
func stream(t *testing.T, tree *commands.Tree, path string, args ...any) *streaming {
	t.Helper()
	raw, err := commands.EncodeArgs(args)
	if err != nil {
		t.Fatal(err)
	}
	cmd, missing := tree.Find(path)
	if missing != nil {
		t.Fatal(missing)
	}
	ctx, cancel := context.WithCancel(t.Context())
	caller, callee := mempipe.New()
	s := &streaming{pipe: caller, in: items.NewReader(caller, nil), cancel: cancel, done: make(chan struct{})}
	go commands.Serve(ctx, cmd, &commands.Call{Path: cmd.Path(), RawArgs: raw, Pipe: callee}, func(value []byte, err *commands.Error) {
		s.value, s.err = value, err
		_ = callee.CloseWrite()
		callee.Break(errors.New("the call has ended"))
		close(s.done)
	})
	return s
}

func (s *streaming) send(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		raw, err := commands.EncodeValue(v)
		if err == nil {
			err = items.Write(s.pipe, nil, raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rest reads to the end and returns the values and the outcome.
func (s *streaming) rest(t *testing.T) (all []any, value any, failure *commands.Error) {
	t.Helper()
	_ = s.pipe.CloseWrite()
	for {
		raw, err := s.in.Next(nil)
		if err != nil {
			break
		}
		var v any
		if err := commands.DecodeValue(raw, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	<-s.done
	s.cancel()
	if s.err == nil {
		if err := commands.DecodeValue(s.value, &value); err != nil {
			t.Fatal(err)
		}
	}
	return all, value, s.err
}

func TestServerStreamSendsWhatItYields(t *testing.T) {
	s := stream(t, streamTree(t), "count", 3, 6)
	if all, value, err := s.rest(t); !reflect.DeepEqual(all, []any{int64(3), int64(4), int64(5)}) || value != nil || err != nil {
		t.Errorf("%v, %v, %v", all, value, err)
	}
	select {
	case <-s.pipe.Begun():
	default:
		t.Error("the caller was not told that the call began")
	}
}

func TestClientStreamTakesItems(t *testing.T) {
	s := stream(t, streamTree(t), "sum")
	s.send(t, reading{3}, map[string]any{"level": 4}, reading{-1})
	if all, value, err := s.rest(t); len(all) != 0 || value != int64(6) || err != nil {
		t.Errorf("%v, %v, %v", all, value, err)
	}
}

func TestBidiStreamAnswersEachItem(t *testing.T) {
	s := stream(t, streamTree(t), "double")
	for i := range 3 {
		s.send(t, i)
		raw, err := s.in.Next(nil)
		var v int
		if err != nil || commands.DecodeValue(raw, &v) != nil || v != 2*i {
			t.Fatalf("%d: %v %v", i, v, err)
		}
	}
	if all, _, err := s.rest(t); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestArgumentsOfStreamsAreRefusedBeforeTheHandlerRuns(t *testing.T) {
	s := stream(t, streamTree(t), "count", "three", 6)
	_, _, err := s.rest(t)
	if err == nil || err.Code != commands.InvalidArgument || err.Executed != commands.ExecutedNo || !strings.Contains(err.Message, "argument from: ") {
		t.Errorf("%v", err)
	}
	select {
	case <-s.pipe.Begun():
		t.Error("it began")
	default:
	}
}

func TestBadItemsAreNamed(t *testing.T) {
	const prefix = "INVALID_ARGUMENT: item 1"
	for want, send := range map[string]func(*streaming){
		prefix + ".level: expected an integer from -128 to 127, got integer 300 (did run)": func(s *streaming) { s.send(t, map[string]any{"level": 300}) },
		prefix + ".volume: unknown (did run)":                                              func(s *streaming) { s.send(t, map[string]any{"level": 1, "volume": 1}) },
		prefix + ": cut short (did run)":                                                   func(s *streaming) { _, _ = s.pipe.Write(nil, []byte{9, 0xc0}) },
		prefix + ": wire: msgpack value refused: malformed at byte 0 (did run)":            func(s *streaming) { _, _ = s.pipe.Write(nil, []byte{1, 0xc1}) },
	} {
		s := stream(t, streamTree(t), "sum")
		s.send(t, reading{3})
		send(s)
		if _, value, err := s.rest(t); err == nil || err.Error() != want {
			t.Errorf("%v, %v; want %s", value, err, want)
		}
	}
}

func TestAHandlerThatPassesOverABadItemDoesNotAnswer(t *testing.T) {
	tree, n := commands.NewTree(), 0
	err := commands.ClientStream(tree, "deaf", func(_ context.Context, _ struct{}, items iter.Seq2[int, error]) (int, error) {
		for range 2 { // the error is the end of the items
			for range items {
				n++
			}
		}
		return n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s := stream(t, tree, "deaf")
	s.send(t, 1, "two", 3)
	if _, value, err := s.rest(t); err == nil || err.Code != commands.InvalidArgument || n != 2 {
		t.Errorf("%v, %v after %d items; a count of a part is no answer", value, err, n)
	}
}

func TestAStreamingCommandCalledPlainlySaysWhatToDo(t *testing.T) {
	tree := streamTree(t)
	if err := tree.HandleStream("plain", func(context.Context, *commands.Call, *commands.Stream) (any, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"count": "output", "sum": "input", "double": "both", "plain": "both"} {
		_, err := call(tree, path, 1, 2)
		var e *commands.Error
		if !errors.As(err, &e) || e.Code != commands.FailedPrecondition || e.Executed != commands.ExecutedNo ||
			e.Details["streams"] != want || !strings.Contains(e.Message, "call it as a stream") {
			t.Errorf("%s: %v %v", path, err, e.Details)
		}
	}
}

func TestAPlainCommandCalledAsAStreamAnswers(t *testing.T) {
	tree := commands.NewTree()
	if err := commands.Func(tree, "add", func(_ context.Context, in span) (int32, error) { return in.From + in.To, nil }); err != nil {
		t.Fatal(err)
	}
	if all, value, err := stream(t, tree, "add", 1, 2).rest(t); len(all) != 0 || value != int64(3) || err != nil {
		t.Errorf("%v, %v, %v", all, value, err)
	}
}

func TestStreamsAreDescribed(t *testing.T) {
	tree := streamTree(t)
	for path, want := range map[string][4]string{ // streams, item, input item, output
		"count": {"output", "integer", "", ""}, "sum": {"input", "", "object", "integer"}, "double": {"both", "integer", "integer", ""},
	} {
		d, err := tree.Describe(path)
		if err != nil {
			t.Fatal(err)
		}
		got := [4]string{string(d.Streams)}
		if d.Item != nil {
			got[1] = d.Item.Type
		}
		if d.InputItem != nil {
			got[2] = d.InputItem.Type
		}
		if d.Output != nil {
			got[3] = d.Output.Type
		}
		if got != want || d.Input == nil {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if d, _ := tree.Describe("count"); !reflect.DeepEqual(d.Arguments, []string{"from", "to"}) || d.Doc != "Count." {
		t.Errorf("%+v", d)
	}
}

func TestErrorsAfterValues(t *testing.T) {
	tree := commands.NewTree()
	var none *commands.Error
	ends := map[string]func(yield func(int, error) bool){
		"fails":  func(yield func(int, error) bool) { _ = yield(1, nil) && yield(2, errors.New("out of paper")) },
		"panics": func(yield func(int, error) bool) { _ = yield(1, nil); panic("secret") },
		"exits":  func(yield func(int, error) bool) { _ = yield(1, nil); runtime.Goexit() },
		"nil":    nil,
		"fine":   func(yield func(int, error) bool) { yield(1, none) },
	}
	for path, end := range ends {
		if err := commands.ServerStream(tree, path, func(context.Context, struct{}) iter.Seq2[int, error] { return end }); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"fails": "UNKNOWN: out of paper (did run)", "panics": "INTERNAL: internal error, id ", "exits": "INTERNAL: internal error, id ",
	} {
		all, _, err := stream(t, tree, path).rest(t)
		if len(all) != 1 || err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", path, all, err)
		}
	}
	if all, _, err := stream(t, tree, "nil").rest(t); len(all) != 0 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if all, _, err := stream(t, tree, "fine").rest(t); len(all) != 1 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

func TestACallerThatCancelsEndsTheIterator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := commands.NewTree()
		yielded, ended := 0, make(chan error, 1)
		err := commands.ServerStream(tree, "endless", func(ctx context.Context, _ struct{}) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for yield(strings.Repeat("x", 1000), nil) {
					yielded++
				}
				ended <- ctx.Err()
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		s := stream(t, tree, "endless")
		synctest.Wait() // nobody reads
		if yielded == 0 || yielded > 300 {
			t.Errorf("%d values of 1,000 bytes wait for a caller that does not read", yielded)
		}
		s.cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the iterator's context: %v", err)
		}
		<-s.done
		if s.err == nil || s.err.Error() != "CANCELLED: the call was cancelled: context canceled (did run)" {
			t.Errorf("%v", s.err)
		}
	})
}

func TestTheDeadlineEndsASendThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := streamTree(t)
		cmd, _ := tree.Find("count")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, callee := mempipe.New()
		raw, _ := commands.EncodeArgs([]any{0, 1 << 30})
		_, err := commands.Invoke(ctx, cmd, &commands.Call{RawArgs: raw, Pipe: callee})
		if err == nil || err.Code != commands.DeadlineExceeded || err.Executed != commands.ExecutedYes {
			t.Errorf("%v", err)
		}
	})
}

func TestPlainStreamHandler(t *testing.T) {
	tree := commands.NewTree()
	err := tree.HandleMap("top", map[string]any{
		"join": func(_ context.Context, c *commands.Call, s *commands.Stream) (any, error) {
			separator, err := commands.Arg[string](c, 0)
			if err != nil {
				return nil, err
			}
			var all []string
			for {
				var word string
				err := s.Receive(&word)
				if err == io.EOF {
					return strings.Join(all, separator), nil
				}
				if errors.Is(err, commands.InvalidArgument) {
					word = err.Error()
				} else if err != nil {
					return nil, err
				}
				all = append(all, word)
				if err := s.Send(len(all)); err != nil {
					return nil, err
				}
			}
		},
		"list": commands.StreamHandler(func(_ context.Context, _ *commands.Call, s *commands.Stream) (any, error) {
			n := 0
			for _, err := range s.Values() {
				if err != nil {
					return nil, err
				}
				n++
			}
			return n, s.Send(func() {})
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := stream(t, tree, "top.join", "-")
	s.send(t, "a", 7, "c")
	want := "a-INVALID_ARGUMENT: item 1: expected text, got integer 7-c"
	if all, value, err := s.rest(t); err != nil || value != want || len(all) != 3 {
		t.Errorf("%v, %v, %v", all, value, err)
	}
	s = stream(t, tree, "top.list")
	s.send(t, 1, 2)
	if _, _, err := s.rest(t); err == nil || err.Code != commands.Internal || !strings.HasPrefix(err.Message, "item 0 cannot be sent: value") {
		t.Errorf("%v", err)
	}
}

func TestStreamRegistrationIsChecked(t *testing.T) {
	tree := commands.NewTree()
	for want, err := range map[string]error{
		"the function is nil": commands.ServerStream[span, int](tree, "a", nil),
		"items: ": commands.ClientStream(tree, "b", func(context.Context, struct{}, iter.Seq2[chan int, error]) (int, error) {
			return 0, nil
		}),
		"output: ":           commands.ServerStream(tree, "c", func(context.Context, struct{}) iter.Seq2[func(), error] { return nil }),
		"input: ":            commands.ServerStream(tree, "d", func(context.Context, int) iter.Seq2[int, error] { return nil }),
		"the handler is nil": tree.HandleStream("e", nil),
	} {
		if !errors.Is(err, commands.InvalidArgument) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if left := tree.List(""); len(left) != 0 {
		t.Errorf("registered all the same: %v", left)
	}
}

func TestLargeItemsShareTheTreesMemory(t *testing.T) {
	tree := streamTree(t)
	tree.SetStreamMemory(1 << 20)
	s := stream(t, tree, "double")
	raw, _ := commands.EncodeValue(make([]byte, 4<<20))
	_ = items.Write(s.pipe, nil, raw) // it is cut off
	_, _, err := s.rest(t)
	if err == nil || err.Code != commands.ResourceExhausted || tree.StreamMemoryRefused() != 1 {
		t.Errorf("%v, %d refused", err, tree.StreamMemoryRefused())
	}
}

func TestAnIteratorThatReturnsForItsContextIsNoGoodEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := commands.NewTree()
		err := commands.ServerStream(tree, "wait", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if yield(1, nil) {
					<-ctx.Done()
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		s := stream(t, tree, "wait")
		time.AfterFunc(time.Second, s.cancel)
		if all, _, err := s.rest(t); len(all) != 1 || err == nil || err.Code != commands.Cancelled {
			t.Errorf("%v, %v", all, err)
		}
	})
}
