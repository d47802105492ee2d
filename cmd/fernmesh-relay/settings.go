package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/relay"
)

// settings is what flags, variables, the config file and defaults add up to.
type settings struct {
	listen      string
	stateDir    string
	tlsCert     string
	tlsKey      string
	publicHosts []string
	behindProxy bool
	opsListen   string // "" is off
}

// option is one setting, by its three names.
type option struct {
	flag  string // without the dashes
	env   string
	key   string // in the config file
	file  bool   // whether it names a file, which in the config file is relative to that
	usage string
	set   func(s *settings, values []string) error
}

// The options, in the order of --help.
var options = []*option{
	{
		flag: "listen", env: "FERNMESH_RELAY_LISTEN", key: "listen",
		usage: "accept nodes at `[HOST]:PORT` (default \":3376\")",
		set:   text(func(s *settings, v string) error { s.listen = v; return checkListen(v) }),
	},
	{
		flag: "state-dir", env: "FERNMESH_RELAY_STATE_DIR", key: "state_dir", file: true,
		usage: "keep the relay's identity under `DIR` (default: the user's state directory)",
		set:   text(func(s *settings, v string) error { s.stateDir = v; return nil }),
	},
	{
		flag: "tls-cert", env: "FERNMESH_RELAY_TLS_CERT", key: "tls_cert", file: true,
		usage: "`FILE` with the certificate and those that lead to its root, in PEM; read again when it changes",
		set:   text(func(s *settings, v string) error { s.tlsCert = v; return nil }),
	},
	{
		flag: "tls-key", env: "FERNMESH_RELAY_TLS_KEY", key: "tls_key", file: true,
		usage: "`FILE` with the certificate's key, in PEM",
		set:   text(func(s *settings, v string) error { s.tlsKey = v; return nil }),
	},
	{
		flag: "public-host", env: "FERNMESH_RELAY_PUBLIC_HOSTS", key: "public_hosts",
		usage: "`HOST[:PORT]` by which nodes dial this relay; others are refused. Repeat it or use commas",
		set:   setPublicHosts,
	},
	{
		flag: "behind-proxy", env: "FERNMESH_RELAY_BEHIND_PROXY", key: "behind_proxy",
		usage: "a reverse proxy in front of the relay ends TLS",
		set: text(func(s *settings, v string) (err error) {
			if s.behindProxy, err = strconv.ParseBool(v); err != nil {
				return errors.New("must be true or false")
			}
			return nil
		}),
	},
	{
		flag: "ops-listen", env: "FERNMESH_RELAY_OPS_LISTEN", key: "ops_listen",
		usage: "serve /healthz over HTTP at `HOST:PORT`, or \"off\" (default \"127.0.0.1:3377\")",
		set: text(func(s *settings, v string) error {
			if s.opsListen = v; v == "off" {
				s.opsListen = ""
				return nil
			}
			return checkListen(v)
		}),
	},
}

func defaultSettings(getenv func(string) string) settings {
	return settings{listen: ":3376", opsListen: "127.0.0.1:3377", stateDir: defaultStateDir(getenv)}
}

// text makes the set of an option that has one value: the last one counts.
func text(set func(s *settings, v string) error) func(*settings, []string) error {
	return func(s *settings, values []string) error {
		v := values[len(values)-1]
		if v == "" {
			return errors.New("must not be empty")
		}
		return set(s, v)
	}
}

func checkListen(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be [HOST]:PORT, such as :3376 or 192.0.2.1:3376")
	}
	return nil
}

func setPublicHosts(s *settings, values []string) error {
	s.publicHosts = nil
	for v := range strings.SplitSeq(strings.Join(values, ","), ",") {
		v = strings.ToLower(strings.TrimSpace(v))
		if _, err := relay.ParseAddress(v); err != nil || strings.ContainsAny(v, "/#") {
			return fmt.Errorf("must be HOST or HOST:PORT, not %q", v)
		}
		s.publicHosts = append(s.publicHosts, v)
	}
	return nil
}

// defaultStateDir is where programs keep what they need again, by the system's
// custom; "" if the user has no home.
func defaultStateDir(getenv func(string) string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return ""
		}
		return filepath.Join(dir, "fernmesh-relay", "state")
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "fernmesh-relay")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "fernmesh-relay")
}

// recorder is a flag that keeps what it was given until the settings are put
// together. It checks at once.
type recorder struct {
	option *option
	values []string
}

// Set takes one use of the flag.
func (r *recorder) Set(v string) error {
	if err := r.option.set(new(settings), []string{v}); err != nil {
		return err
	}
	r.values = append(r.values, v)
	return nil
}

// String is "", so that --help shows no default of its own: usage texts do.
func (r *recorder) String() string { return "" }

// Type is what --help shows of a flag whose usage does not say.
func (r *recorder) Type() string {
	if r.option.flag == "behind-proxy" {
		return "bool"
	}
	return "value"
}

// addFlags gives cmd the flags of all options.
func addFlags(cmd *cobra.Command) (recorders []*recorder, config *string) {
	cmd.Flags().SortFlags = false
	for _, o := range options {
		r := &recorder{option: o}
		f := cmd.Flags().VarPF(r, o.flag, "", o.usage+" ["+o.env+"]")
		if r.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
		recorders = append(recorders, r)
	}
	config = cmd.Flags().String("config", "", "read settings from `FILE`, in TOML; see \"fernmesh-relay help config\" ["+configVariable+"]")
	return recorders, config
}

// settings puts the settings together: defaults, then the file, then the
// environment, then flags; what comes later wins.
func (p *program) settings(flags []*recorder, config string) (settings, error) {
	s := defaultSettings(p.getenv)
	if config == "" {
		config = p.getenv(configVariable)
	}
	if config != "" {
		if err := s.loadConfig(config); err != nil {
			return s, err
		}
	}
	for _, o := range options {
		v := p.getenv(o.env)
		if v == "" {
			continue
		}
		if err := o.set(&s, []string{v}); err != nil {
			return s, faultf(exitConfig, "correct the variable or unset it", "%s %v", o.env, err)
		}
	}
	for _, r := range flags {
		if len(r.values) == 0 {
			continue
		}
		if err := r.option.set(&s, r.values); err != nil {
			return s, faultf(exitUsage, `see "fernmesh-relay serve --help"`, "--%s %v", r.option.flag, err)
		}
	}
	return s, s.check()
}

// check is for what the options together must be.
func (s *settings) check() error {
	switch {
	case s.stateDir == "":
		return faultf(exitConfig, "say where to keep the relay's identity with --state-dir", "this user has no home directory")
	case (s.tlsCert == "") != (s.tlsKey == ""):
		return faultf(exitConfig, "give both, or none for a relay without TLS", "--tls-cert and --tls-key belong together, and only one is set")
	case s.tlsCert != "" && s.behindProxy:
		return faultf(exitConfig, "leave out --behind-proxy if the relay has the certificate", "--behind-proxy says that TLS ends before the relay, and --tls-cert that it ends here")
	case s.behindProxy && len(s.publicHosts) == 0:
		return faultf(exitConfig, "give the name that nodes dial, for example --public-host relay.example.org", "--behind-proxy needs --public-host: the relay cannot know the proxy's name")
	}
	return nil
}
