package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxJSONDepth is as deep as a message may nest on the wire.
const maxJSONDepth = 32

// errNotJSON says that a text is no JSON at all, so that it may be taken as text.
var errNotJSON = errors.New("not JSON")

// parseJSON turns one JSON text into a value without losing anything: integers
// become int64 or uint64, other numbers float64, and the objects of jsonout.go
// become bytes, times and special floats. What JSON allows and a call cannot
// carry is an error: a number that does not fit, a key that is there twice,
// nesting deeper than maxJSONDepth. A text that is not JSON gives errNotJSON.
func parseJSON(text string) (any, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("the text is not valid UTF-8")
	}
	if !json.Valid([]byte(text)) {
		return nil, errNotJSON
	}
	if loneSurrogate(text) {
		return nil, errors.New("a text holds half of a surrogate pair, which is no character")
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	r := jsonReader{d}
	return r.value(0)
}

// loneSurrogate reports whether valid JSON holds an escape like \ud800 without
// its other half, which decoders replace without a word.
func loneSurrogate(text string) bool {
	for {
		i := strings.IndexByte(text, '\\')
		if i < 0 || i+1 >= len(text) {
			return false
		}
		text = text[i:]
		first := surrogateEscape(text)
		switch {
		case first == 0:
			text = text[2:]
		case first >= 0xdc00 || surrogateEscape(text[6:]) < 0xdc00:
			return true
		default:
			text = text[12:]
		}
	}
}

// surrogateEscape returns the code unit if text begins with the escape of a
// surrogate, else 0.
func surrogateEscape(text string) uint64 {
	if len(text) < 6 || text[:2] != `\u` {
		return 0
	}
	unit, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil || unit < 0xd800 || unit > 0xdfff {
		return 0
	}
	return unit
}

type jsonReader struct{ *json.Decoder }

func (r jsonReader) value(depth int) (any, error) {
	token, err := r.Token()
	if err != nil {
		return nil, errNotJSON
	}
	if depth >= maxJSONDepth && (token == json.Delim('[') || token == json.Delim('{')) {
		return nil, fmt.Errorf("the JSON nests deeper than %d levels", maxJSONDepth)
	}
	switch t := token.(type) {
	case json.Number:
		return parseNumber(string(t))
	case json.Delim:
		if t == '[' {
			return r.array(depth)
		}
		return r.object(depth)
	default:
		return t, nil // nil, bool or string
	}
}

func (r jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.More() {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.Token()
	return list, err
}

func (r jsonReader) object(depth int) (any, error) {
	m := map[string]any{}
	for r.More() {
		key, err := r.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("the key %q is there twice", name)
		}
		if m[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	if _, err := r.Token(); err != nil {
		return nil, err
	}
	return untag(m)
}

// parseNumber keeps integers whole. The text is a valid JSON number.
func parseNumber(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i, nil
		}
		if u, err := strconv.ParseUint(s, 10, 64); err == nil {
			return u, nil
		}
		return nil, errors.New("an integer does not fit into 64 bits; put it in quotes to send it as text")
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, errors.New("a number does not fit into 64 bits; put it in quotes to send it as text")
	}
	return f, nil
}

// untag turns the one-key objects of jsonout.go back into what they stand for.
func untag(m map[string]any) (any, error) {
	if len(m) != 1 {
		return m, nil
	}
	for key, v := range m {
		text, ok := v.(string)
		if !ok {
			break
		}
		switch key {
		case bytesKey:
			return untagBytes(text)
		case floatKey:
			return untagFloat(text)
		case timeKey:
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return nil, fmt.Errorf("%s needs a time like 2006-01-02T15:04:05Z", timeKey)
			}
			return t, nil
		}
	}
	return m, nil
}

func untagBytes(text string) (any, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s needs standard base64", bytesKey)
	}
	return b, nil
}

func untagFloat(text string) (any, error) {
	switch text {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	return nil, fmt.Errorf("%s needs NaN, Infinity or -Infinity", floatKey)
}

// readJSON reads one JSON text from r, at most limit bytes.
func readJSON(r io.Reader, limit int64) (any, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("it is longer than %d MiB", limit>>20)
	}
	return parseJSON(string(text))
}
