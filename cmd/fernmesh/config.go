package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// maxConfigFile is the most bytes a config file may have.
const maxConfigFile = 1 << 20

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
	c, err := parseConfig(data)
	for _, e := range c.entries {
		values := e.values
		if e.option == optionKeyFile || e.option == optionStateDir || e.option == optionPolicy {
			values = relativeTo(filepath.Dir(file), values)
		}
		if err := e.option.set(s, values); err != nil {
			return configFault(file, &configError{e.at, e.option.key + " " + err.Error(), hintOf(err)})
		}
		s.origins[e.option.flag] = fmt.Sprintf("%s:%d:%d: %s", file, e.at.line, e.at.column, e.option.key)
	}
	var bad *configError
	if errors.As(err, &bad) {
		return configFault(file, bad)
	}
	for _, p := range c.programs {
		p.file = file
	}
	s.programs = c.programs
	return err
}

// configFault is what a person sees of a configError.
func configFault(file string, e *configError) error {
	hint := e.hint
	if hint == "" {
		hint = `see "fernmesh help config" for an example`
	}
	return faultf(exitConfig, hint, "%s:%d:%d: %s", file, e.at.line, e.at.column, e.reason)
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
    relays      = ["relay.example:3376"]
    max_relays  = 2
    no_lan      = false
    advert_port = 3376
    interfaces  = ["eth*", "!docker0"]
    listen      = ":4000"
    services    = ["thermostat"]        # of a node, for any(thermostat)
    tags        = ["upstairs"]          # of a node, for tag(upstairs)
    bulk_cipher = true                  # for links whose other side has it too
    state_dir   = "state"               # relative to this file
    trust       = "tofu"                # "fernmesh help trust" explains this, and
    allow       = ["node:z3gbkb64dxoxffmvdquqrchqsww3sbcndnz5nfxg34df22b32t6a"]
    deny        = ["node:nn44k7tkbfjdskbmasay5fqrf47qhjaadouxuvsmeocsupy6ux6a"]
    policy      = "house.policy"        # relative to this file; of a node
    timeout     = "5s"
    output      = "text"

Every key is optional, and no other is known. A variable has the name of its
key in capitals after FERNMESH_ (FERNMESH_KEY_FILE); lists have commas in them.
timeout and output have no variable. A network's key is never in this file nor
on the command line, but in the file that key_file names, which its owner alone
may read, or, in containers, in FERNMESH_KEY.

After the settings may come commands that run programs, which "fernmesh serve"
then offers ("fernmesh help programs").
`

// configTopic is "fernmesh help config".
func configTopic() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "Where settings come from, and the config file", Long: configText}
}
