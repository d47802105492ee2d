// Package commands is a tree of functions that other nodes may call by path,
// with everything that belongs to a function: its arguments and values, its
// description, and the errors it ends with. There is no networking in it.
//
// # Start here
//
// A program takes the [Tree] of its node and puts functions into it:
// [Tree.Handle] takes a plain [Handler], [Func] a function from a struct to a
// value, which is checked and described by its types. [ServerStream],
// [ClientStream] and [BidiStream] take functions that send or take many values
// while they run; [Tree.HandleStream] is the plain form of those. Errors with a
// meaning come from [Errorf]; every call that fails, anywhere, fails with an
// *[Error].
//
// The rest is for the machinery that serves calls: [Tree.Find] and [Serve].
//
// # Values
//
// Values travel as msgpack and arrive as they were, or not at all: what does
// not fit is an error that names the place, what was expected and what came.
// In particular 300 is refused for an int8, -1 for a uint, 1.5 for an int, and
// 2^53+1 for a float64, while 2.0 is fine for an int. Only a float64 may be
// rounded, into a float32.
//
// Structs are maps by the names of their json tags. Into an interface decode
// nil, bool, int64 (uint64 if larger), float64 (NaN and infinities too),
// string, []byte, [time.Time], []any and map[string]any. More types:
//
//   - []byte and arrays of bytes are binary; text is taken as base64
//   - time.Time is an instant in UTC, to the nanosecond; text is taken as RFC 3339
//   - time.Duration is integer nanoseconds; text such as "1.5s" is taken too
//   - types with JSON or text methods travel as those methods say, the numbers
//     of math/big as text
//   - map keys are text, integers in decimal, or have text methods
//   - nil slices, maps and pointers are nil
//
// Strings are UTF-8. Values nest at most 32 deep, have at most 4,000,000 parts
// and take at most 64 MiB. Channels, functions, complex numbers and errors are
// not values.
//
// # Paths
//
// See [ParsePath]. Roots of the form __x__ are reserved for fernmesh.
package commands
