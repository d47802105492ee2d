package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// maxStdin bounds what "-" reads: more than a message can carry is not sent anyway.
const maxStdin = 64 << 20

// arguments is what a call is made with.
type arguments struct {
	list  []any
	named map[string]any
}

// literalMark stands before an argument that is no flag whatever it looks like,
// plainMark before one that is not split at "=" either. No argument of a
// process can hold a NUL, so a mark is never taken for text.
const (
	literalMark = "\x00"
	plainMark   = "\x00="
)

// protectArguments marks the arguments of "call" that the flag parser must
// leave alone: negative numbers, and all that follows --args.
func protectArguments(args []string) []string {
	if len(args) == 0 || args[0] != "call" {
		return args
	}
	out := []string{"call"}
	for i, a := range args[1:] {
		switch {
		case a == "--args":
			for _, plain := range args[i+2:] {
				out = append(out, plainMark+plain)
			}
			return out
		case a == "--":
			for _, literal := range args[i+2:] {
				out = append(out, literalMark+literal)
			}
			return out
		case isNegativeNumber(a):
			out = append(out, literalMark+a)
		default:
			out = append(out, a)
		}
	}
	return out
}

// isNegativeNumber reports whether a would be taken for a flag although it is a number.
func isNegativeNumber(a string) bool {
	return len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9'
}

// unmark returns an argument without its mark.
func unmark(a string) string {
	if rest, ok := strings.CutPrefix(a, plainMark); ok {
		return rest
	}
	return strings.TrimPrefix(a, literalMark)
}

// parseArguments turns what follows the path of a call into its arguments.
// Each word is JSON where it is JSON, else text; NAME=VALUE gives a named
// argument; "-" reads JSON from stdin, an array of arguments or an object of
// named ones. Nothing is ever dropped or overwritten: a name that is given twice
// is an error, as is JSON that a call cannot carry.
func parseArguments(words []string, stdin io.Reader) (arguments, error) {
	a := arguments{named: map[string]any{}}
	stdinUsed := false
	for i, word := range words {
		plain := strings.HasPrefix(word, plainMark)
		word = unmark(word)
		if word == "-" {
			if stdinUsed {
				return a, errors.New(`"-" is there twice, and standard input can be read only once`)
			}
			stdinUsed = true
			if err := a.readStdin(stdin); err != nil {
				return a, err
			}
			continue
		}
		if err := a.word(word, plain); err != nil {
			return a, fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return a, nil
}

// word adds one argument of the command line.
func (a *arguments) word(word string, plain bool) error {
	v, err := parseJSON(word)
	if err == nil {
		a.list = append(a.list, v)
		return nil
	}
	if !errors.Is(err, errNotJSON) {
		return err
	}
	name, value, ok := strings.Cut(word, "=")
	if plain || !ok || !isArgumentName(name) {
		a.list = append(a.list, word)
		return nil
	}
	if v, err = parseJSON(value); errors.Is(err, errNotJSON) {
		v, err = value, nil
	}
	if err != nil {
		return err
	}
	return a.name(name, v)
}

// name adds one named argument.
func (a *arguments) name(name string, v any) error {
	if _, twice := a.named[name]; twice {
		return fmt.Errorf("the name %q is given twice", name)
	}
	a.named[name] = v
	return nil
}

// isArgumentName reports whether s can be the left side of NAME=VALUE: a
// letter or "_" first, then letters, digits, "_" and "-". So the address
// http://host/?a=b, for one, is not split.
func isArgumentName(s string) bool {
	for i, r := range s {
		switch {
		case unicode.IsLetter(r), r == '_':
		case i > 0 && (unicode.IsDigit(r) || r == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// readStdin adds what the JSON on stdin holds.
func (a *arguments) readStdin(stdin io.Reader) error {
	v, err := readJSON(stdin, maxStdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	switch v := v.(type) {
	case []any:
		a.list = append(a.list, v...)
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if err := a.name(name, v[name]); err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
		}
	default:
		return errors.New("standard input: the JSON must be an array of arguments or an object of named ones")
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
