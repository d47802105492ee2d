package wire

import "testing"

// benchValue is about 1.2 KB of records as a command might return them.
func benchValue() any {
	var list []any
	for n := range 24 {
		list = append(list, map[string]any{"id": n, "name": "sensor in the kitchen", "value": 21.5, "ok": true})
	}
	return list
}

func BenchmarkMarshal(b *testing.B) {
	v := benchValue()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	encoded, err := Marshal(benchValue())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Guard(encoded, Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	encoded, err := Marshal(benchValue())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if err := Unmarshal(encoded, &v, Data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFrame(b *testing.B) {
	plain := BeginFrame(nil, 1)
	for range 10 {
		plain = AppendMessage(plain, TypeReply, make([]byte, 100))
	}
	b.ReportAllocs()
	for b.Loop() {
		f, err := ParseFrame(plain, 1)
		if err != nil {
			b.Fatal(err)
		}
		for m := range f.All() {
			if m.Type != TypeReply {
				b.Fatal(m)
			}
		}
	}
}

func BenchmarkCall(b *testing.B) {
	call := Call{Number: 1, Path: "home.lights.set", Args: []byte{0x90}, Kwargs: []byte{0x80}}
	var body []byte
	b.ReportAllocs()
	for b.Loop() {
		body = AppendCall(body[:0], call)
		if _, err := ParseCall(body); err != nil {
			b.Fatal(err)
		}
	}
}
