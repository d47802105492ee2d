package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/relay"
)

// parse puts settings together from flags, variables and a config file's text.
func parse(t *testing.T, args []string, env map[string]string, file string) (settings, error) {
	t.Helper()
	p := &program{getenv: func(name string) string { return env[name] }}
	cmd := &cobra.Command{Use: "serve"}
	flags, config := addFlags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		*config = filepath.Join(t.TempDir(), "relay.toml")
		if err := os.WriteFile(*config, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p.settings(flags, *config)
}

// Flags count more than variables, variables more than the file, the file more
// than defaults.
func TestOrderOfSettings(t *testing.T) {
	const file = "listen = ':1'\nops_listen = ':1'\npublic_hosts = ['file.example']\n"
	env := map[string]string{"FERNMESH_RELAY_LISTEN": ":2", "FERNMESH_RELAY_PUBLIC_HOSTS": "a.example, B.example:4"}
	s, err := parse(t, []string{"--listen", ":3"}, env, file)
	if err != nil || s.listen != ":3" || s.opsListen != ":1" || !reflect.DeepEqual(s.publicHosts, []string{"a.example", "b.example:4"}) {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parse(t, []string{"--ops-listen", "off", "--public-host", "x", "--public-host", "y,z"}, env, file)
	if err != nil || s.listen != ":2" || s.opsListen != "" || !reflect.DeepEqual(s.publicHosts, []string{"x", "y", "z"}) {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parse(t, nil, nil, "")
	if err != nil || s.listen != ":3376" || s.opsListen != "127.0.0.1:3377" || s.behindProxy || s.stateDir == "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// File names in the config file are relative to it.
func TestConfigFileNamesAreRelativeToIt(t *testing.T) {
	s, err := parse(t, nil, nil, "state_dir = 'state'\ntls_cert = '/abs/cert.pem'\ntls_key = 'key.pem'\n")
	if err != nil || !filepath.IsAbs(s.stateDir) || s.tlsCert != "/abs/cert.pem" || filepath.Dir(s.tlsKey) != filepath.Dir(s.stateDir) {
		t.Errorf("%+v, %v", s, err)
	}
}

// The line to paste names what nodes dial, and reads back as it is printed.
func TestAddressToPaste(t *testing.T) {
	bound := netip.MustParseAddrPort("192.0.2.7:3376")
	for _, c := range []struct {
		s    settings
		want string
	}{
		{settings{}, "192.0.2.7:3376"},
		{settings{publicHosts: []string{"relay.example", "other.example"}}, "relay.example:3376"},
		{settings{publicHosts: []string{"relay.example:80"}}, "relay.example:80"},
		{settings{publicHosts: []string{"[2001:db8::1]"}}, "[2001:db8::1]:3376"},
		{settings{publicHosts: []string{"relay.example"}, behindProxy: true}, "https://relay.example"},
		{settings{publicHosts: []string{"relay.example:8443"}, behindProxy: true}, "https://relay.example:8443"},
	} {
		id := relay.ID{1}
		a, err := c.s.address(bound, nil, id)
		if err != nil || a.String() != c.want+"#"+id.String() {
			t.Errorf("got %v, %v, want %v", a, err, c.want)
		}
		if again, err := relay.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%v reads back as %v, %v", a, again, err)
		}
	}
}
