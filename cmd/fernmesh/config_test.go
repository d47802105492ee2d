package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

func TestConfigFileOfTheHelpTopicIsUnderstood(t *testing.T) {
	var lines []string
	for line := range strings.Lines(configText) {
		if strings.HasPrefix(line, "    ") {
			lines = append(lines, line)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := defaultSettings()
	if err := s.loadConfig(file, true); err != nil {
		t.Fatal(err)
	}
	s.origins = nil
	want := settings{
		network: "home", name: "kitchen", keyFile: filepath.Join(dir, "home.key"), peers: []string{"attic.example:4000"},
		relays: []string{"relay.example:3376"}, maxRelays: 2,
		advertPort: 3376, interfaces: []string{"eth*", "!docker0"}, listen: ":4000",
		services: []string{"thermostat"}, tags: []string{"upstairs"}, bulkCipher: true, stateDir: filepath.Join(dir, "state"),
		trust: node.TrustTOFU, allow: []crypto.NodeKey{seeded(1)}, deny: []crypto.NodeKey{seeded(2)},
		policy: filepath.Join(dir, "house.policy"), timeout: 5 * time.Second,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v\nwant %+v", s, want)
	}
	if got := strings.Count(strings.Join(lines, ""), " = "); got != len(configKeys()) {
		t.Errorf("the topic shows %d keys of %d", got, len(configKeys()))
	}
}

// seeded is the identity key of a seed.
func seeded(b byte) crypto.NodeKey { return crypto.IdentityFromSeed([32]byte{b}).Public() }

func TestProgramOfTheHelpTopicIsUnderstood(t *testing.T) {
	_, example, _ := strings.Cut(programsText, "\n\n")
	example, _, _ = strings.Cut(example, "\n\n")
	c, err := parseConfig([]byte(example))
	if err != nil || len(c.programs) != 1 {
		t.Fatalf("%v, %v", c, err)
	}
	got := c.programs[0]
	if len(got.places) != len(programKeys) {
		t.Errorf("the topic shows %d keys of %d", len(got.places), len(programKeys))
	}
	// All values shown, but for these, are the defaults.
	want := newProgram("backup.run", got.at)
	want.template, want.about, want.dir, want.env, want.places = got.template, got.about, ".", got.env, got.places
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Order: flag, environment, file, default.
func TestSettingsOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	text := "network = 'of file'\npeers = ['file:1']\nno_lan = true\nadvert_port = 1\nbulk_cipher = false\ntimeout = '1s'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"FERNMESH_CONFIG": file, "FERNMESH_PEERS": "env:1, env:2", "FERNMESH_NO_LAN": "false", "FERNMESH_BULK_CIPHER": "true", "FERNMESH_ADVERT_PORT": "2",
		"FERNMESH_NETWORK": "", // as good as unset
	}
	m := &Main{Getenv: func(name string) string { return env[name] }}
	flags := []*recorder{
		{option: optionAdvertPort, values: []string{"3"}},
		{option: optionInterface, values: []string{"a,b", "c"}},
		{option: optionNetwork},
	}
	s, err := m.settings(flags)
	if err != nil {
		t.Fatal(err)
	}
	if s.network != "of file" || s.noLAN || !s.bulkCipher || s.advertPort != 3 || s.timeout != time.Second ||
		!reflect.DeepEqual(s.peers, []string{"env:1", "env:2"}) || !reflect.DeepEqual(s.interfaces, []string{"a", "b", "c"}) {
		t.Errorf("got %+v", s)
	}
	if got := s.origins["network"]; got != file+":1:1: network" {
		t.Errorf("the network comes from %q", got)
	}
}

// R40: a hostile file of the largest size takes neither time nor memory.
func TestR40_HostileConfigIsCheap(t *testing.T) {
	upTo := func(size int, s string) string { return strings.Repeat(s, size/len(s)) }
	fill := func(s string) string { return upTo(maxConfigLines-100, s) }
	for name, text := range map[string]string{
		"deep arrays":   "peers = " + fill("["),
		"deep tables":   "peers = " + fill("{a="),
		"dotted":        fill("a.") + "a = 1",
		"unknown keys":  fill("a = 1\n"),
		"many sections": fill("[a]\n"),
		"one long line": "name = \"" + fill("x"),
		"long list":     "peers = [" + fill("'',"),
		"NUL":           fill("\x00"),
		"many commands": fill("[commands.a]\nrun=['a']\n"),
		"far commands":  upTo(maxConfigFile-maxConfigLines, "#\n") + manyCommands(),
		"long command":  "[commands." + fill("a."),
		"placeholders":  "[commands.a]\nrun = ['p','" + fill("{a}") + "']",
		"long run":      "[commands.a]\nrun = [" + fill("'',") + "]",
		"escapes":       "name = \"" + fill(`\u001b`) + "\"\nx",
		"comments":      upTo(maxConfigFile-100, "#\n") + "\n?",
		"too long":      upTo(maxConfigFile, "a.") + "a = 1",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := parseConfig([]byte(text))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			if took > time.Second { // 100 ms on a quiet machine
				t.Errorf("took %v", took)
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 {
				t.Errorf("allocated %d MiB", used)
			}
		})
	}
}

// manyCommands is as many sections as a file may have, each with all keys.
func manyCommands() string {
	var b strings.Builder
	for i := range maxPrograms {
		fmt.Fprintf(&b, "[commands.c%d]\nrun=['p','{x}']\nabout='x'\nstdin=true\noutput='json'\ntimeout='1s'\nmax_output=1\nat_once=1\ndir='x'\nenv=['A']\nidempotent=true\n", i)
	}
	return b.String()
}

func TestR40_ByteOrderMark(t *testing.T) {
	_, err := parseConfig([]byte("\ufeffnetwork = 'x'\n"))
	var e *configError
	if !errors.As(err, &e) || e.at != (position{1, 1}) || !strings.Contains(e.reason, "byte order mark") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{
		configText, "network = 'x'\n", "peers = ['a', \"b\"] # c\n", "no_lan = tru", "[x]\n", "a.b = 1", "advert_port = 0x_1",
		programsText, "[commands.a]\nrun = ['p', '{x}', '--y={z}', '{{}}']\nstdin = true\n", "[commands.'a.b']\nrun=['sh','-c','{x}']", "[[commands.a]]",
		"relays = ['a#00']\nmax_relays = 1", "[commands.a]\nenv=['A=b']\nmax_output=1\nat_once=2\ntimeout='1s'\nrun=['p']",
		"\ufeff", "key = 'x'", "name = '''\nx'''", "name = 1979-05-27T07:32:00Z", "peers = [\n# c\n'a',\n]", "'' = 1", "[[a]]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data)
		var e *configError
		if err != nil && (!errors.As(err, &e) || e.at.line < 1 || e.at.column < 1) {
			t.Fatalf("an error without a place: %v", err)
		}
		if err == nil && len(c.entries) > len(configKeys()) {
			t.Fatalf("%d entries", len(c.entries))
		}
		checkFuzzedPrograms(t, c.programs)
		for _, entry := range c.entries {
			s := defaultSettings()
			if err := entry.option.set(&s, entry.values); err == nil && entry.option == optionAdvertPort && s.advertPort == 0 {
				t.Errorf("port 0 from %q", entry.values)
			}
		}
	})
}

// checkFuzzedPrograms checks that a template's shape does not depend on what
// fills it, and that everything is within its bounds.
func checkFuzzedPrograms(t *testing.T, programs []*program) {
	t.Helper()
	for _, p := range programs {
		values := map[string]value{}
		for _, name := range p.template.names() {
			values[name] = value{text: "{x} ; \" ' `y` $z"}
		}
		argv, err := p.template.fill(values)
		if err != nil || len(argv) != len(p.template) || argv[0] != p.template[0].String() {
			t.Fatalf("%q filled gives %q, %v", p.template, argv, err)
		}
		if p.timeout <= 0 || p.timeout > maxProgramTime || p.maxOutput < 1 || p.maxOutput > maxOutput || p.atOnce < 1 || p.atOnce > maxAtOnce {
			t.Fatalf("out of bounds: %+v", p)
		}
	}
}
