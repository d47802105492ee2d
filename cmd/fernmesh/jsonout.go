package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// The JSON of values. It says exactly what a value is, so that it can be given
// back as an argument: integers keep all their digits, a float always has a
// point or an exponent, and what JSON has no form for is an object with one key:
//
//	{"$bytes": "aGk="}     bytes, in base64
//	{"$float": "NaN"}      NaN, Infinity, -Infinity
//	{"$time": "2026-…Z"}   a time, RFC 3339
//
// Keys are sorted. Characters that a terminal would not show are \u escapes.

const (
	bytesKey = "$bytes"
	floatKey = "$float"
	timeKey  = "$time"
)

// jsonWriter builds one JSON text.
type jsonWriter struct {
	buf    []byte
	indent bool // one element per line, for people
	depth  int
}

// compactJSON returns v as JSON on one line.
func compactJSON(v any) string {
	var w jsonWriter
	w.value(v)
	return string(w.buf)
}

// indentedJSON returns v as JSON for people.
func indentedJSON(v any) string {
	w := jsonWriter{indent: true}
	w.value(v)
	return string(w.buf)
}

func (w *jsonWriter) value(v any) {
	switch v := v.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case bool:
		w.buf = strconv.AppendBool(w.buf, v)
	case int:
		w.buf = strconv.AppendInt(w.buf, int64(v), 10)
	case int64:
		w.buf = strconv.AppendInt(w.buf, v, 10)
	case uint64:
		w.buf = strconv.AppendUint(w.buf, v, 10)
	case float64:
		w.float(v)
	case string:
		w.text(v)
	case []byte:
		w.tagged(bytesKey, base64.StdEncoding.EncodeToString(v))
	case time.Time:
		w.tagged(timeKey, v.UTC().Format(time.RFC3339Nano))
	case []any:
		w.list(len(v), func(i int) { w.value(v[i]) }, '[', ']')
	case map[string]any:
		w.object(v)
	default:
		w.text(fmt.Sprint(v))
	}
}

func (w *jsonWriter) float(f float64) {
	switch {
	case math.IsNaN(f):
		w.tagged(floatKey, "NaN")
		return
	case math.IsInf(f, 0):
		w.tagged(floatKey, map[bool]string{true: "Infinity", false: "-Infinity"}[f > 0])
		return
	}
	start := len(w.buf)
	w.buf = strconv.AppendFloat(w.buf, f, 'g', -1, 64)
	if !slices.ContainsFunc(w.buf[start:], func(b byte) bool { return b == '.' || b == 'e' }) {
		w.buf = append(w.buf, ".0"...)
	}
}

func (w *jsonWriter) tagged(key, text string) {
	w.buf = fmt.Appendf(w.buf, `{"%s":"%s"}`, key, text)
}

func (w *jsonWriter) object(m map[string]any) {
	keys := sortedKeys(m)
	w.list(len(keys), func(i int) {
		w.text(keys[i])
		w.buf = append(w.buf, ':')
		if w.indent {
			w.buf = append(w.buf, ' ')
		}
		w.value(m[keys[i]])
	}, '{', '}')
}

// list writes n elements between two brackets.
func (w *jsonWriter) list(n int, element func(i int), left, right byte) {
	w.buf = append(w.buf, left)
	w.depth++
	for i := range n {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.newline()
		element(i)
	}
	w.depth--
	if n > 0 {
		w.newline()
	}
	w.buf = append(w.buf, right)
}

func (w *jsonWriter) newline() {
	if !w.indent {
		return
	}
	w.buf = append(w.buf, '\n')
	for range w.depth {
		w.buf = append(w.buf, "  "...)
	}
}

func (w *jsonWriter) text(s string) {
	w.buf = append(w.buf, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			w.buf = append(w.buf, '\\', byte(r))
		case r == '\n':
			w.buf = append(w.buf, `\n`...)
		case r == '\t':
			w.buf = append(w.buf, `\t`...)
		case r == utf8.RuneError && n == 1:
			w.buf = append(w.buf, `\ufffd`...)
		case printable(r):
			w.buf = append(w.buf, s[:n]...)
		case r <= 0xffff:
			w.buf = fmt.Appendf(w.buf, `\u%04x`, r)
		default: // a surrogate pair
			r -= 0x10000
			w.buf = fmt.Appendf(w.buf, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		s = s[n:]
	}
	w.buf = append(w.buf, '"')
}
