package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/fernmesh/fernmesh/commands"
)

// maxConfigLines is the most bytes on lines that are no comments, since the
// parser's memory grows with those; maxPrograms the most sections.
const (
	maxConfigLines = 64 << 10
	maxPrograms    = 256
)

// configContent is what a config file holds.
type configContent struct {
	entries  []configEntry
	programs []*program
}

// configEntry is one key of a config file with its values as text.
type configEntry struct {
	option *option
	values []string
	at     position // of the key
}

// configError says what is wrong in a config file and where. It never holds a
// value of the file: somebody may have put a secret there.
type configError struct {
	at     position
	reason string
	hint   string
}

func (e *configError) Error() string {
	return fmt.Sprintf("%d:%d: %s", e.at.line, e.at.column, e.reason)
}

// wrongAt makes a configError.
func wrongAt(at position, hint, format string, args ...any) *configError {
	return &configError{at, fmt.Sprintf(format, args...), hint}
}

const exampleHint = `see "fernmesh help config" for an example`

// configParser reads one config file.
type configParser struct {
	unstable.Parser
	places  placer
	content configContent
	program *program // whose section this is; nil before the first
}

// parseConfig reads a config file: TOML with the keys of the options, then
// sections that describe commands, and nothing else. It stops at the first error.
//
// It reads expression by expression: the strict mode of the TOML decoder
// collects every unknown key before it returns, which takes minutes for a
// hostile file of 1 MiB.
func parseConfig(data []byte) (configContent, error) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return configContent{}, wrongAt(position{1, 1}, "save the file as UTF-8 without a byte order mark", "the file begins with a byte order mark")
	}
	if line, long := tooLong(data); long {
		return configContent{}, wrongAt(position{line, 1}, "a config file has a few lines; see whether this is one", "the settings are longer than 64 KiB, comments apart")
	}
	data = slices.Clip(data) // positions are found by capacity
	p := &configParser{places: placer{data: data}}
	p.Reset(data)
	for p.NextExpression() {
		if err := p.expression(p.Expression()); err != nil {
			return p.content, err
		}
	}
	if err := p.Error(); err != nil {
		return p.content, p.syntaxError(err)
	}
	return p.content, p.endSection()
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
func (p *configParser) syntaxError(err error) error {
	e := wrongAt(position{1, 1}, exampleHint, "not valid TOML: %v", err)
	var pe *unstable.ParserError
	if errors.As(err, &pe) && cap(pe.Highlight) > 0 && cap(pe.Highlight) <= cap(p.places.data) {
		e.at = p.places.at(p.Range(pe.Highlight))
	}
	return e
}

// expression reads "key = value" or "[section]".
func (p *configParser) expression(node *unstable.Node) error {
	var words []string
	var at position
	for parts := node.Key(); parts.Next(); {
		if words = append(words, string(parts.Node().Data)); len(words) == 1 {
			at = p.places.at(parts.Node().Raw)
		}
	}
	switch {
	case len(words) == 0:
		return wrongAt(position{1, 1}, "", "not valid TOML: an expression without a key")
	case node.Kind == unstable.Table:
		return p.section(words, at)
	case node.Kind != unstable.KeyValue:
		return wrongAt(at, `write a command as [commands.NAME], with single brackets`, "there are no lists of sections in this file, so %q is not known", shorten(words[0]))
	case words[0] == "key":
		return wrongAt(at, `put the key into a file of mode 0600 and name that file with key_file`, "a key does not belong into the config file")
	case len(words) > 1:
		return wrongAt(at, "write one word before the =", "the key %q has no parts", shorten(words[0]))
	case p.program != nil:
		return p.programEntry(words[0], at, node.Value())
	}
	return p.entry(words[0], at, node.Value())
}

// entry reads a setting.
func (p *configParser) entry(name string, at position, v *unstable.Node) error {
	i := slices.IndexFunc(allOptions, func(o *option) bool { return o.key != "" && o.key == name })
	if i < 0 {
		return wrongAt(at, "the keys are "+strings.Join(configKeys(), ", "), "the key %q is not known", shorten(name))
	}
	o := allOptions[i]
	if slices.ContainsFunc(p.content.entries, func(e configEntry) bool { return e.option == o }) {
		return wrongAt(at, "leave one of the two lines", "the key %q is there twice", name)
	}
	values, _, ok := p.values(v, o.kind)
	if !ok {
		return wrongAt(at, exampleHint, "%s must be %s", name, o.kind)
	}
	p.content.entries = append(p.content.entries, configEntry{o, values, at})
	return nil
}

// section begins the description of a command.
func (p *configParser) section(words []string, at position) error {
	if err := p.endSection(); err != nil {
		return err
	}
	if words[0] != "commands" || len(words) < 2 {
		return wrongAt(at, `a command that runs a program is written [commands.NAME]; settings stand above all sections`,
			"the only sections are those of commands, so %q is not known", shorten(words[0]))
	}
	path, err := commands.ParsePath(strings.Join(words[1:], "."))
	switch {
	case err != nil:
		return wrongAt(at, "write words with points between them, as in [commands.backup.run]", "the name of the command is not usable: %s", redactKeys(err.Error()))
	case path.Reserved():
		return wrongAt(at, "choose a name without underscores at both ends", "names like %q belong to the built-in commands", shorten(path.String()))
	case len(p.content.programs) == maxPrograms:
		return wrongAt(at, "run a second node for the others", "there are more than %d commands", maxPrograms)
	case slices.ContainsFunc(p.content.programs, func(o *program) bool { return o.path == path.String() }):
		return wrongAt(at, "leave one of the two sections", "the command %q is there twice", shorten(path.String()))
	}
	p.program = newProgram(path.String(), at)
	return nil
}

// endSection checks the command that was described last.
func (p *configParser) endSection() error {
	if p.program == nil {
		return nil
	}
	if p.program.template == nil {
		return wrongAt(p.program.at, `add run = ["PROGRAM", "ARGUMENT", "{name}"]`, "the command %q has no run", shorten(p.program.path))
	}
	p.content.programs = append(p.content.programs, p.program)
	p.program = nil
	return nil
}

// programEntry reads one key of a command's section.
func (p *configParser) programEntry(name string, at position, v *unstable.Node) error {
	i := slices.IndexFunc(programKeys, func(k programKey) bool { return k.name == name })
	if i < 0 {
		hint := "the keys of a command are " + strings.Join(programKeyNames(), ", ")
		if slices.Contains(configKeys(), name) {
			hint = "settings stand above all sections"
		}
		return wrongAt(at, hint, "a command has no key %q", shorten(name))
	}
	k := programKeys[i]
	if _, twice := p.program.places[name]; twice {
		return wrongAt(at, "leave one of the two lines", "the key %q is there twice", name)
	}
	p.program.places[name] = at
	values, places, ok := p.values(v, k.kind)
	if !ok {
		return wrongAt(at, exampleHint, "%s must be %s", name, k.kind)
	}
	err := k.set(p.program, values)
	var bad *elementError
	if errors.As(err, &bad) {
		at = places[bad.index]
	}
	if name == "run" && err == nil {
		p.program.places[name] = places[0] // of the program itself
	}
	if err != nil {
		return wrongAt(at, exampleHint, "%s %v", name, err)
	}
	return nil
}

// values returns a value as texts, and the places of a list's elements; false
// means that it has another form than wanted.
func (p *configParser) values(v *unstable.Node, k kind) (texts []string, places []position, ok bool) {
	switch {
	case k == kindText && v.Kind == unstable.String,
		k == kindNumber && v.Kind == unstable.Integer,
		k == kindSwitch && v.Kind == unstable.Bool:
		return []string{string(v.Data)}, nil, true
	case k == kindList && v.Kind == unstable.Array:
		for elements := v.Children(); elements.Next(); {
			e := elements.Node()
			if e.Kind == unstable.Comment {
				continue
			}
			if e.Kind != unstable.String {
				return nil, nil, false
			}
			texts = append(texts, string(e.Data))
			places = append(places, p.places.at(e.Raw))
		}
		return texts, places, true
	}
	return nil, nil, false
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
