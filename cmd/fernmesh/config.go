package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"
)

// maxConfigFile is the most bytes a config file may have, maxConfigLines the
// most on lines that are no comments: the parser's memory grows with those.
const (
	maxConfigFile  = 1 << 20
	maxConfigLines = 64 << 10
)

// configEntry is one key of a config file with its values as text.
type configEntry struct {
	option       *option
	values       []string
	line, column int // of the key, from 1
}

// configError says what is wrong in a config file and where. It never holds a
// value of the file: somebody may have put a secret there.
type configError struct {
	line, column int
	reason       string
	hint         string
}

func (e *configError) Error() string { return fmt.Sprintf("%d:%d: %s", e.line, e.column, e.reason) }

// parseConfig reads a config file: TOML with the keys of the options and
// nothing else. It stops at the first error.
//
// It reads expression by expression: the strict mode of the TOML decoder
// collects every unknown key before it returns, which takes minutes for a
// hostile file of 1 MiB.
func parseConfig(data []byte) ([]configEntry, error) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, &configError{1, 1, "the file begins with a byte order mark", "save the file as UTF-8 without a byte order mark"}
	}
	if line, long := tooLong(data); long {
		return nil, &configError{line, 1, "the settings are longer than 64 KiB, comments apart", "a config file has a few lines; see whether this is one"}
	}
	data = slices.Clip(data) // positions are found by capacity
	var p unstable.Parser
	p.Reset(data)
	var entries []configEntry
	for p.NextExpression() {
		e, err := configExpression(&p, p.Expression())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(entries, func(o configEntry) bool { return o.option == e.option }) {
			return nil, &configError{e.line, e.column, fmt.Sprintf("the key %q is there twice", e.option.key), "leave one of the two lines"}
		}
		entries = append(entries, e)
	}
	if err := p.Error(); err != nil {
		return nil, syntaxError(&p, data, err)
	}
	return entries, nil
}

// tooLong reports in which line the settings exceed maxConfigLines, if they do.
func tooLong(data []byte) (number int, long bool) {
	sum := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimLeft(line, " \t\r\n"); len(line) > 0 && line[0] != '#' {
			sum += len(line)
		}
		if sum > maxConfigLines {
			return number, true
		}
	}
	return number, false
}

// syntaxError gives the TOML parser's error its place. Of the file, the
// parser's messages hold at most one character.
func syntaxError(p *unstable.Parser, data []byte, err error) error {
	e := &configError{1, 1, "not valid TOML: " + err.Error(), `see "fernmesh help config" for an example`}
	var pe *unstable.ParserError
	if errors.As(err, &pe) && cap(pe.Highlight) > 0 && cap(pe.Highlight) <= cap(data) {
		start := p.Shape(p.Range(pe.Highlight)).Start
		e.line, e.column = start.Line, start.Column
	}
	return e
}

// configExpression reads "key = value".
func configExpression(p *unstable.Parser, node *unstable.Node) (configEntry, error) {
	parts := node.Key()
	if !parts.Next() {
		return configEntry{}, &configError{1, 1, "not valid TOML: an expression without a key", ""}
	}
	first := parts.Node()
	at := p.Shape(first.Raw).Start
	e := configEntry{line: at.Line, column: at.Column}
	fail := func(hint, format string, args ...any) (configEntry, error) {
		return e, &configError{e.line, e.column, fmt.Sprintf(format, args...), hint}
	}
	name := shorten(string(first.Data))
	switch {
	case node.Kind != unstable.KeyValue:
		return fail("write the settings without a [section] above them", "there are no sections in this file, so %q is not known", name)
	case parts.Next():
		return fail("write one word before the =", "the key %q has no parts", name)
	case name == "key":
		return fail(`put the key into a file of mode 0600 and name that file with key_file`, "a key does not belong into the config file")
	}
	i := slices.IndexFunc(allOptions, func(o *option) bool { return o.key != "" && o.key == string(first.Data) })
	if i < 0 {
		return fail("the keys are "+strings.Join(configKeys(), ", "), "the key %q is not known", name)
	}
	e.option = allOptions[i]
	values, ok := configValues(node.Value(), e.option.kind)
	if !ok {
		return fail(`see "fernmesh help config" for an example`, "%s must be %s", name, e.option.kind)
	}
	e.values = values
	return e, nil
}

// configValues returns a value as texts; false means that it has another form
// than the option wants.
func configValues(v *unstable.Node, k kind) ([]string, bool) {
	switch {
	case k == kindText && v.Kind == unstable.String,
		k == kindNumber && v.Kind == unstable.Integer,
		k == kindSwitch && v.Kind == unstable.Bool:
		return []string{string(v.Data)}, true
	case k == kindList && v.Kind == unstable.Array:
		var values []string
		elements := v.Children()
		for elements.Next() {
			if elements.Node().Kind == unstable.Comment {
				continue
			}
			if elements.Node().Kind != unstable.String {
				return nil, false
			}
			values = append(values, string(elements.Node().Data))
		}
		return values, true
	}
	return nil, false
}

// String names the form for messages.
func (k kind) String() string {
	return [...]string{"a text in quotes", "a whole number", "true or false", "a list of texts in quotes"}[k]
}

func configKeys() []string {
	var keys []string
	for _, o := range allOptions {
		if o.key != "" {
			keys = append(keys, o.key)
		}
	}
	return keys
}

// loadConfig applies the config file to s. A file that was named must be
// there; at the default place there may be none.
func (s *settings) loadConfig(file string, named bool) error {
	data, err := readConfigFile(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return faultf(exitConfig, "name another file with --config or FERNMESH_CONFIG, or make this one readable",
			"cannot read the config file: %v", err)
	}
	entries, err := parseConfig(data)
	for _, e := range entries {
		values := e.values
		if e.option == optionKeyFile || e.option == optionStateDir {
			values = relativeTo(filepath.Dir(file), values)
		}
		if err := e.option.set(s, values); err != nil {
			return configFault(file, &configError{e.line, e.column, e.option.key + " " + err.Error(), hintOf(err)})
		}
		s.origins[e.option.flag] = fmt.Sprintf("%s:%d:%d: %s", file, e.line, e.column, e.option.key)
	}
	var bad *configError
	if errors.As(err, &bad) {
		return configFault(file, bad)
	}
	return err
}

// configFault is what a person sees of a configError.
func configFault(file string, e *configError) error {
	hint := e.hint
	if hint == "" {
		hint = `see "fernmesh help config" for an example`
	}
	return faultf(exitConfig, hint, "%s:%d:%d: %s", file, e.line, e.column, e.reason)
}

// relativeTo takes paths in the file as seen from the file.
func relativeTo(dir string, paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		if out[i] = p; p != "" && !filepath.IsAbs(p) && !looksLikeKey(p) {
			out[i] = filepath.Join(dir, p)
		}
	}
	return out
}

// readConfigFile reads a regular file of at most maxConfigFile bytes. It looks
// before it opens, since opening a named pipe waits for its writer.
func readConfigFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", file)
	}
	return data, nil
}

const configText = `A setting comes from, in this order: its flag, its environment variable, the
config file, its default. The file is FILE of --config FILE, else that of
FERNMESH_CONFIG, else fernmesh/config.toml in the user's config directory
(~/.config on Linux), where it may be missing. It is TOML:

    network     = "home"
    name        = "kitchen"             # of a node; callers have none
    key_file    = "home.key"            # relative to this file
    peers       = ["attic.example:4000"]
    no_lan      = false
    advert_port = 3376
    interfaces  = ["eth*", "!docker0"]
    listen      = ":4000"
    state_dir   = "state"               # relative to this file
    timeout     = "5s"
    output      = "text"

Every key is optional, and no other is known. A variable has the name of its
key in capitals after FERNMESH_ (FERNMESH_KEY_FILE); lists have commas in them.
timeout and output have no variable. A network's key is never in this file nor
on the command line, but in the file that key_file names, which its owner alone
may read, or, in containers, in FERNMESH_KEY.
`

// configTopic is "fernmesh help config".
func configTopic() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "Where settings come from, and the config file", Long: configText}
}
