// Package codec turns Go values into msgpack and back without ever losing a
// part of them silently: a number that does not fit its place is an error that
// names the place, never another number.
//
// # Start here
//
// [Encode] encodes and [Decode] decodes; [NewInput] prepares the struct that
// takes the arguments of a typed handler, [Schema] describes a type.
//
// For each type a plan of small functions is compiled once and kept. Decoding
// reads the bytes directly: it believes no length before the bytes are there,
// nests at most wire.MaxDepth deep, and allocates within a budget that grows
// with the input, so it is safe on bytes from anywhere.
//
// # Rules
//
// Structs are maps, by the names and options of encoding/json's tags; a field
// is optional when it is a pointer or has omitempty or omitzero. The rest:
//
//	Go                          msgpack          also decoded from
//	integers                    integer          a float that is a whole number in range
//	floats                      float            an integer that the float holds exactly
//	string                      str (UTF-8)
//	[]byte, [n]byte             bin              str with base64, as in JSON
//	time.Time                   timestamp (UTC)  str with RFC 3339
//	time.Duration               integer, in ns   str such as "1.5s"
//	big.Int, big.Rat, big.Float str              integer, float
//	json.Number                 integer, float
//	json.Marshaler              what its JSON says
//	encoding.TextMarshaler      str
//	slice, array                array
//	map                         map; keys are str, integers in decimal
//	pointer, interface          nil or the value
//	Raw                         itself
//
// Nil slices, maps and pointers are nil. A float64 in a float32 is rounded,
// unless it is out of range. Into an interface integers decode as int64, or
// uint64 when too large for it; the others as bool, float64, string, []byte,
// time.Time, []any and map[string]any.
//
// Refused: channels, functions, complex numbers, unsafe pointers, and values
// of an error type that says nothing about its encoding.
package codec
