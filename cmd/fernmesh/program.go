package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Defaults and bounds of commands that run programs.
const (
	defaultProgramTime = 30 * time.Second
	maxProgramTime     = 24 * time.Hour
	defaultOutput      = 1 << 20
	maxOutput          = 32 << 20
	defaultAtOnce      = 8
	maxAtOnce          = 256
	maxTemplate        = 256
)

// program is a command that runs a program, as the config file describes it.
type program struct {
	path   string
	file   string   // the config file
	at     position // of its section
	places map[string]position

	template   template
	about      string
	stdin      bool // the arguments go to its standard input, as JSON
	output     string
	timeout    time.Duration
	maxOutput  int
	atOnce     int
	dir        string
	env        []string // NAME=VALUE, or NAME to take over from this process
	idempotent bool

	running chan struct{} // holds one element per run
}

func newProgram(path string, at position) *program {
	return &program{
		path: path, at: at, places: map[string]position{},
		output: "text", timeout: defaultProgramTime, maxOutput: defaultOutput, atOnce: defaultAtOnce,
	}
}

// programKey is a key of a command's section. As with options, set's errors
// never hold the value.
type programKey struct {
	name string
	kind kind
	set  func(p *program, values []string) error
}

// elementError is the error of one element of a list.
type elementError struct {
	index  int // from 0
	reason string
}

func (e *elementError) Error() string { return e.reason }

var programKeys = []programKey{
	{"run", kindList, (*program).setRun},
	{"about", kindText, func(p *program, v []string) error { p.about = v[0]; return nil }},
	{"stdin", kindSwitch, func(p *program, v []string) error { p.stdin = v[0] == "true"; return nil }},
	{"output", kindText, (*program).setOutput},
	{"timeout", kindText, (*program).setTimeout},
	{"max_output", kindNumber, func(p *program, v []string) error { return setBounded(&p.maxOutput, v[0], maxOutput) }},
	{"at_once", kindNumber, func(p *program, v []string) error { return setBounded(&p.atOnce, v[0], maxAtOnce) }},
	{"dir", kindText, (*program).setDir},
	{"env", kindList, (*program).setEnv},
	{"idempotent", kindSwitch, func(p *program, v []string) error { p.idempotent = v[0] == "true"; return nil }},
}

func programKeyNames() []string {
	names := make([]string, len(programKeys))
	for i, k := range programKeys {
		names[i] = k.name
	}
	return names
}

func (p *program) setRun(values []string) (err error) {
	p.template, err = parseTemplate(values)
	return err
}

func (p *program) setOutput(values []string) error {
	switch p.output = values[0]; p.output {
	case "text", "json", "bytes":
		return nil
	}
	return errors.New("must be text, json or bytes")
}

func (p *program) setTimeout(values []string) error {
	d, err := time.ParseDuration(values[0])
	if err != nil || d <= 0 || d > maxProgramTime {
		return errors.New("must be a time with its unit, above zero and at most 24h, 30s for instance")
	}
	p.timeout = d
	return nil
}

func setBounded(n *int, text string, most int) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 || v > most {
		return fmt.Errorf("must be from 1 to %d", most)
	}
	*n = v
	return nil
}

func (p *program) setDir(values []string) error {
	if p.dir = values[0]; p.dir == "" || strings.ContainsRune(p.dir, 0) {
		return errors.New("must be the name of a directory")
	}
	return nil
}

func (p *program) setEnv(values []string) error {
	for i, v := range values {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsRune(v, 0):
			return &elementError{i, "must have NAME=VALUE, or the NAME of a variable to take over"}
		case strings.HasPrefix(strings.ToUpper(name), "FERNMESH_"):
			return &elementError{i, "must not set or pass on variables of fernmesh itself"}
		}
	}
	p.env = values
	return nil
}

// prepare finds the program and its directory, once, before the node starts.
func (p *program) prepare() error {
	base, err := filepath.Abs(filepath.Dir(p.file))
	if err != nil {
		return p.fault("run", "start the node in a directory that is still there", "the config file's directory cannot be found: %v", err)
	}
	name := p.template[0].String()
	if strings.ContainsAny(name, `/\`) && !filepath.IsAbs(name) {
		name = filepath.Join(base, name)
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return p.fault("run", "write where it is: a path, absolute or as seen from the config file", "the program cannot be run: %v", err)
	}
	if runtime.GOOS == "windows" && isBatch(found) {
		return p.fault("run", "name a program, or a script's interpreter with the script as its argument", "a batch file runs in a shell, which would take arguments apart")
	}
	if !filepath.IsAbs(p.dir) {
		p.dir = filepath.Join(base, p.dir)
	}
	p.template[0] = word{{text: found}}
	p.running = make(chan struct{}, p.atOnce)
	return nil
}

func isBatch(file string) bool {
	ext := strings.ToLower(filepath.Ext(file))
	return ext == ".bat" || ext == ".cmd"
}

// fault says what is wrong with a key of the section.
func (p *program) fault(key, hint, format string, args ...any) error {
	at, ok := p.places[key]
	if !ok {
		at = p.at
	}
	return configFault(p.file, wrongAt(at, hint, format, args...))
}
