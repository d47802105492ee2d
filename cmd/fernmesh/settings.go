package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/node"
)

// settings is what flags, variables, the config file and defaults add up to.
type settings struct {
	config     string // the file's name; "" = the default place, if there is a file
	network    string
	name       string
	keyFile    string
	peers      []string
	relays     []string
	maxRelays  int // 0 = the library's choice
	noLAN      bool
	advertPort int
	interfaces []string
	listen     string
	services   []string // what "serve" offers
	tags       []string // of the node of "serve"
	bulkCipher bool
	stateDir   string
	trust      node.Trust
	allow      []crypto.NodeKey
	deny       []crypto.NodeKey
	policy     string // the file of rules that "serve" obeys; "" = none
	timeout    time.Duration
	json       bool
	programs   []*program // commands of the config file; only "serve" offers them

	key     string            // FERNMESH_KEY: a key itself; only ever from the environment
	origins map[string]string // option name -> where its value came from, for messages
}

// defaultTimeout is what a call may take if nobody says otherwise.
const defaultTimeout = 5 * time.Second

func defaultSettings() settings {
	return settings{network: "home", timeout: defaultTimeout, origins: map[string]string{}}
}

// kind is the form that a setting has in the config file.
type kind int

const (
	kindText kind = iota
	kindNumber
	kindSwitch
	kindList
)

// option is one setting with its three names. Values come as texts whatever
// their source, and set checks and stores them; its errors never hold the value.
type option struct {
	flag  string // without the dashes
	env   string // "" = no variable
	key   string // in the config file; "" = not there
	kind  kind
	usage string // the word in backquotes is what the flag takes
	set   func(s *settings, values []string) error
}

// The options, in the order of --help.
var (
	optionConfig = &option{
		flag: "config", env: "FERNMESH_CONFIG",
		usage: "read settings from `FILE`, in TOML (see \"fernmesh help config\")",
		set:   text(func(s *settings, v string) { s.config = v }),
	}
	optionNetwork = &option{
		flag: "network", env: "FERNMESH_NETWORK", key: "network",
		usage: "the `NAME` of the network (default \"home\")",
		set:   text(func(s *settings, v string) { s.network = v }),
	}
	optionName = &option{
		flag: "name", env: "FERNMESH_NAME", key: "name",
		usage: "the `NAME` of this node (default: of this machine)",
		set:   text(func(s *settings, v string) { s.name = v }),
	}
	optionKeyFile = &option{
		flag: "key-file", env: "FERNMESH_KEY_FILE", key: "key_file",
		usage: "the `FILE` with the network's keys; in containers FERNMESH_KEY may hold a key itself",
		set:   setKeyFile,
	}
	optionPeer = &option{
		flag: "peer", env: "FERNMESH_PEERS", key: "peers", kind: kindList,
		usage: "`HOST:PORT` of a node to connect to, besides those found; repeat it or use commas",
		set:   list(func(s *settings, v []string) { s.peers = v }),
	}
	optionNoLAN = &option{
		flag: "no-lan", env: "FERNMESH_NO_LAN", key: "no_lan", kind: kindSwitch,
		usage: "neither look for nodes on the local network nor announce this one",
		set:   toggle(func(s *settings, on bool) { s.noLAN = on }),
	}
	optionAdvertPort = &option{
		flag: "advert-port", env: "FERNMESH_ADVERT_PORT", key: "advert_port", kind: kindNumber,
		usage: "the UDP `PORT` on which nodes find each other (default 3376)",
		set:   setAdvertPort,
	}
	optionInterface = &option{
		flag: "interface", env: "FERNMESH_INTERFACES", key: "interfaces", kind: kindList,
		usage: "use only the interface `NAME` or, as !NAME, do not use it; a CIDR works too; repeat it or use commas",
		set:   list(func(s *settings, v []string) { s.interfaces = v }),
	}
	optionListen = &option{
		flag: "listen", env: "FERNMESH_LISTEN", key: "listen",
		usage: "accept calls on `ADDRESS:PORT` (default :0, a free port on all addresses)",
		set:   text(func(s *settings, v string) { s.listen = v }),
	}
	optionService = &option{
		flag: "service", env: "FERNMESH_SERVICES", key: "services", kind: kindList,
		usage: "offer the service `NAME`: \"any(NAME)\" calls one node that does; repeat it or use commas",
		set:   list(func(s *settings, v []string) { s.services = v }),
	}
	optionTag = &option{
		flag: "tag", env: "FERNMESH_TAGS", key: "tags", kind: kindList,
		usage: "give this node the tag `NAME`: \"tag(NAME)\" calls all that have it; repeat it or use commas",
		set:   list(func(s *settings, v []string) { s.tags = v }),
	}
	optionRelay = &option{
		flag: "relay", env: "FERNMESH_RELAYS", key: "relays", kind: kindList,
		usage: "`ADDRESS` of a relay, as it prints it; for nodes of other networks; repeat it or use commas",
		set:   setRelays,
	}
	optionMaxRelays = &option{
		flag: "max-relays", env: "FERNMESH_MAX_RELAYS", key: "max_relays", kind: kindNumber,
		usage: "stay connected to at most `N` relays, those heard of from other nodes included",
		set:   setMaxRelays,
	}
	optionBulkCipher = &option{
		flag: "bulk-cipher", env: "FERNMESH_BULK_CIPHER", key: "bulk_cipher", kind: kindSwitch,
		usage: "seal large messages and streams with AES-256-GCM, faster than Fernet, where the other side asks for it too",
		set:   toggle(func(s *settings, on bool) { s.bulkCipher = on }),
	}
	optionStateDir = &option{
		flag: "state-dir", env: "FERNMESH_STATE_DIR", key: "state_dir",
		usage: "keep this node's identity and whom it knows under `DIR` (default: the user's state directory)",
		set:   text(func(s *settings, v string) { s.stateDir = v }),
	}
	optionPolicy = &option{
		flag: "policy", env: "FERNMESH_POLICY", key: "policy",
		usage: "let callers do only what the rules in `FILE` allow (see \"fernmesh help policy\")",
		set:   setPolicy,
	}
	optionTrust = &option{
		flag: "trust", env: "FERNMESH_TRUST", key: "trust",
		usage: "bind names to identity keys: `MODE` network (not at all), tofu (the first seen) or pinned (default network; see \"fernmesh help trust\")",
		set:   setTrust,
	}
	optionAllow = &option{
		flag: "allow", env: "FERNMESH_ALLOW", key: "allow", kind: kindList,
		usage: "of others, welcome only the identity `KEY`, and pinned nodes; repeat it or use commas",
		set:   keyList(func(s *settings, keys []crypto.NodeKey) { s.allow = keys }),
	}
	optionDeny = &option{
		flag: "deny", env: "FERNMESH_DENY", key: "deny", kind: kindList,
		usage: "never welcome the identity `KEY`; repeat it or use commas",
		set:   keyList(func(s *settings, keys []crypto.NodeKey) { s.deny = keys }),
	}
	optionTimeout = &option{
		flag: "timeout", key: "timeout",
		usage: "give up after `TIME`, 500ms or 1m30s for instance (default 5s)",
		set:   setTimeout,
	}
	optionOutput = &option{
		flag: "output", key: "output",
		usage: "print `FORMAT`: text for people, json for programs (default text)",
		set:   setOutput,
	}
)

// allOptions are those that the config file and the environment may set.
var allOptions = []*option{
	optionConfig, optionNetwork, optionName, optionKeyFile, optionPeer, optionRelay, optionMaxRelays, optionNoLAN,
	optionAdvertPort, optionInterface, optionListen, optionService, optionTag, optionBulkCipher, optionStateDir,
	optionTrust, optionAllow, optionDeny, optionPolicy, optionTimeout, optionOutput,
}

// serveOptions and callOptions are those with a flag at "serve" and at the
// commands that call.
var (
	serveOptions = []*option{
		optionConfig, optionNetwork, optionName, optionKeyFile, optionPeer, optionRelay, optionMaxRelays, optionNoLAN,
		optionAdvertPort, optionInterface, optionListen, optionService, optionTag, optionBulkCipher, optionStateDir,
		optionTrust, optionAllow, optionDeny, optionPolicy, optionOutput,
	}
	callOptions = []*option{
		optionConfig, optionNetwork, optionKeyFile, optionPeer, optionRelay, optionMaxRelays, optionNoLAN,
		optionAdvertPort, optionInterface, optionBulkCipher, optionStateDir, optionTrust, optionAllow, optionDeny, optionTimeout, optionOutput,
	}
)

func text(store func(*settings, string)) func(*settings, []string) error {
	return func(s *settings, values []string) error {
		v := values[len(values)-1]
		if v == "" {
			return errors.New("must not be empty")
		}
		store(s, v)
		return nil
	}
}

func list(store func(*settings, []string)) func(*settings, []string) error {
	return func(s *settings, values []string) error {
		all, err := elements(values)
		if err == nil {
			store(s, all)
		}
		return err
	}
}

// elements splits values at commas. A text that is there again counts once: the
// shell completion of cobra, for one, reads each flag twice.
func elements(values []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part == "" {
				return nil, errors.New("must not have an empty element")
			}
			if !seen[part] {
				out = append(out, part)
			}
			seen[part] = true
		}
	}
	return out, nil
}

func setKeyFile(s *settings, values []string) error {
	v := values[len(values)-1]
	if looksLikeKey(v) {
		return errKeyAsFile
	}
	return text(func(s *settings, v string) { s.keyFile = v })(s, values)
}

func setPolicy(s *settings, values []string) error {
	if looksLikeKey(values[len(values)-1]) {
		return errKeyAsFile
	}
	return text(func(s *settings, v string) { s.policy = v })(s, values)
}

func toggle(store func(*settings, bool)) func(*settings, []string) error {
	return func(s *settings, values []string) error {
		on, err := strconv.ParseBool(values[len(values)-1])
		if err != nil {
			return errors.New("must be true or false")
		}
		store(s, on)
		return nil
	}
}

func setAdvertPort(s *settings, values []string) error {
	n, err := strconv.ParseUint(values[len(values)-1], 10, 16)
	if err != nil || n == 0 {
		return errors.New("must be a port number, 1 to 65535")
	}
	s.advertPort = int(n)
	return nil
}

func setTimeout(s *settings, values []string) error {
	d, err := time.ParseDuration(values[len(values)-1])
	if err != nil || d <= 0 {
		return errors.New("must be a time above zero with its unit, 500ms or 1m30s for instance")
	}
	s.timeout = d
	return nil
}

func setOutput(s *settings, values []string) error {
	switch values[len(values)-1] {
	case "text":
		s.json = false
	case "json":
		s.json = true
	default:
		return errors.New("must be text or json")
	}
	return nil
}

// defaultConfigFile returns the place of the config file when nobody names one:
// XDG's on Linux and its relatives. "" means that there is no such place.
func defaultConfigFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "fernmesh", "config.toml")
}

// defaultStateDir returns where identities are kept, or "" where there is no
// such place, which means that they are not kept.
func defaultStateDir(getenv func(string) string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return ""
		}
		return filepath.Join(dir, "fernmesh", "state")
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "fernmesh")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "state", "fernmesh")
}
