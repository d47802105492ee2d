// Package wire is the form of everything fernmesh sends: records, frames,
// messages, msgpack values and names. It holds no state beyond a read buffer,
// starts no goroutine and knows no key; the protocol's sections 3, 4 and 9 are
// its specification.
//
// # Start here
//
// limits.go is the one table of sizes. A byte stream is cut into records by
// [RecordReader]; an opened record is a frame, read by [ParseFrame] and built
// by [BeginFrame] and [AppendMessage]; a frame's messages are read by the
// Parse functions, one per message type, each beside its Append function.
//
// Whatever msgpack comes from outside passes [Guard] before a decoder sees it,
// because the decoder trusts the lengths it reads. [Unmarshal] does both.
//
// Parse functions return slices of their input. Who keeps one past the life of
// the input copies it.
package wire
