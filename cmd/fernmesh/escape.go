package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"
)

// escapeText returns s with everything that could move a cursor, change a
// terminal's state or reorder what is read replaced by a visible escape: control
// characters, format characters (bidirectional overrides, a byte order mark),
// and bytes that are not UTF-8. Newlines stay; escapeLine replaces them too.
//
// A backslash stays as it is: the result is for reading. JSON output is the
// form that can be turned back.
func escapeText(s string) string { return string(appendEscaped(nil, s, true)) }

// escapeLine is escapeText for what must stay on one line: a name, a cell.
func escapeLine(s string) string { return string(appendEscaped(nil, s, false)) }

// printable reports whether r can be shown as it is.
func printable(r rune) bool { return unicode.IsGraphic(r) }

func appendEscaped(dst []byte, s string, newlines bool) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, s[0])
		case r == '\n' && newlines, printable(r):
			dst = append(dst, s[:n]...)
		case r < 0x80:
			dst = append(dst, escapedASCII(r)...)
		case r <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
		s = s[n:]
	}
	return dst
}

// escapedASCII returns \n, \t and so on where there is such a form, else \x1b.
func escapedASCII(r rune) string {
	q := strconv.QuoteRuneToASCII(r)
	return q[1 : len(q)-1]
}

// escapingWriter is the last wall before a terminal: whatever reaches it leaves
// escaped, also what a caller forgot to escape. Each Write must hold whole
// characters, as each fmt.Fprintf does. It may be used from several goroutines.
type escapingWriter struct {
	to io.Writer

	mu     sync.Mutex
	buf    []byte
	failed error // the first error of to; nothing is written after it
}

// Write writes p escaped. Its count is in bytes of p, all or nothing.
func (w *escapingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return 0, w.failed
	}
	w.buf = appendEscaped(w.buf[:0], string(p), true)
	return w.finish(len(p), w.buf)
}

// WriteRaw writes p as it is: for --raw, and for text of our own with tabs in it.
func (w *escapingWriter) WriteRaw(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return 0, w.failed
	}
	return w.finish(len(p), p)
}

// finish writes out, which stands for n bytes. Callers hold mu.
func (w *escapingWriter) finish(n int, out []byte) (int, error) {
	if _, err := w.to.Write(out); err != nil {
		w.failed = err
		return 0, err
	}
	return n, nil
}

// failure explains why the output is not complete, or returns nil.
func (w *escapingWriter) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		return nil
	}
	return &fault{
		code: exitFailure, text: fmt.Sprintf("cannot write the output: %v", w.failed), cause: w.failed,
		hint: "see whether the disk is full or the reading program has ended",
	}
}

// rawWriter is w.WriteRaw as an io.Writer.
type rawWriter struct{ w *escapingWriter }

func (r rawWriter) Write(p []byte) (int, error) { return r.w.WriteRaw(p) }
