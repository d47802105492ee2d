package main

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/fernmesh/fernmesh/commands"
)

// input turns the arguments of a call into argv and standard input. nil as
// input means none.
func (p *program) input(c *commands.Call) (argv []string, stdin []byte, err error) {
	args, err := c.Args()
	if err != nil {
		return nil, nil, err
	}
	kwargs, err := c.Kwargs()
	if err != nil {
		return nil, nil, err
	}
	values, err := p.bind(args, kwargs)
	if err == nil {
		argv, err = p.template.fill(values)
	}
	if err != nil {
		return nil, nil, commands.Errorf(commands.InvalidArgument, "%v", err).DidNotRun()
	}
	if p.stdin {
		stdin = []byte(compactJSON(map[string]any{"args": args, "kwargs": kwargs}) + "\n")
	}
	return argv, stdin, nil
}

// bind gives every placeholder its value: named arguments go to theirs,
// positional ones fill them in order. With stdin there may be others; they are
// for the program to judge.
func (p *program) bind(args []any, kwargs map[string]any) (map[string]value, error) {
	names := p.template.names()
	if len(args) > len(names) && !p.stdin {
		return nil, fmt.Errorf("%d arguments are too many: it takes %s", len(args), counted(names))
	}
	values := map[string]value{}
	for i, name := range names {
		v, named := kwargs[name]
		switch {
		case named && i < len(args):
			return nil, fmt.Errorf("%s: is given twice, by name and as argument %d", name, i+1)
		case i < len(args):
			v = args[i]
		case !named:
			return nil, fmt.Errorf("%s: is missing", name)
		}
		text, err := argumentText(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values[name] = text
	}
	for _, name := range sortedKeys(kwargs) {
		if _, known := values[name]; !known && !p.stdin {
			return nil, fmt.Errorf("%s: is not known; it takes %s", shorten(name), counted(names))
		}
	}
	return values, nil
}

func counted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// argumentText is a value as one element of argv.
func argumentText(v any) (value, error) {
	switch v := v.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			return value{}, errors.New("must not hold a NUL")
		}
		if len(v) > maxArgument {
			return value{}, fmt.Errorf("must have at most %d bytes", maxArgument)
		}
		return value{text: v}, nil
	case bool:
		return value{text: strconv.FormatBool(v)}, nil
	case int64, uint64:
		return value{text: fmt.Sprint(v), number: true}, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return value{}, errors.New("must be a finite number")
		}
		return value{text: strconv.FormatFloat(v, 'g', -1, 64), number: true}, nil
	}
	return value{}, errors.New("must be a text, a number or a boolean")
}

// maxArgument is the longest text that becomes an argument of a program: well
// below what systems take.
const maxArgument = 64 << 10

// looksLikeOption reports whether a program could take s for an option.
func looksLikeOption(s string) bool {
	return strings.HasPrefix(s, "-") || runtime.GOOS == "windows" && strings.HasPrefix(s, "/")
}
