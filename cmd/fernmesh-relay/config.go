package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
)

// configVariable names the config file.
const configVariable = "FERNMESH_RELAY_CONFIG"

// configMost is the largest config file that is read.
const configMost = 1 << 20

// configFile is the form of the config file. A key that is not there is nil.
type configFile struct {
	Listen      *string   `toml:"listen"`
	StateDir    *string   `toml:"state_dir"`
	TLSCert     *string   `toml:"tls_cert"`
	TLSKey      *string   `toml:"tls_key"`
	PublicHosts *[]string `toml:"public_hosts"`
	BehindProxy *bool     `toml:"behind_proxy"`
	OpsListen   *string   `toml:"ops_listen"`
}

// values are those of the file, by key.
func (f *configFile) values() map[string][]string {
	values := map[string][]string{}
	for key, v := range map[string]*string{
		"listen": f.Listen, "state_dir": f.StateDir, "tls_cert": f.TLSCert, "tls_key": f.TLSKey, "ops_listen": f.OpsListen,
	} {
		if v != nil {
			values[key] = []string{*v}
		}
	}
	if f.PublicHosts != nil {
		values["public_hosts"] = *f.PublicHosts
	}
	if f.BehindProxy != nil {
		values["behind_proxy"] = []string{fmt.Sprint(*f.BehindProxy)}
	}
	return values
}

// loadConfig applies a config file.
func (s *settings) loadConfig(file string) error {
	const hint = `"fernmesh-relay help config" shows what a config file may hold`
	f, err := readConfig(file)
	if err != nil {
		return faultf(exitConfig, hint, "config file %s: %v", file, err)
	}
	values := f.values()
	for _, o := range options {
		v, ok := values[o.key]
		if !ok {
			continue
		}
		if o.file && v[0] != "" && !filepath.IsAbs(v[0]) {
			v = []string{filepath.Join(filepath.Dir(file), v[0])}
		}
		if err := o.set(s, v); err != nil {
			return faultf(exitConfig, hint, "config file %s: %s %v", file, o.key, err)
		}
	}
	return nil
}

// readConfig reads a config file; its errors say where in the file they are.
func readConfig(file string) (f configFile, err error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return f, plainCause(err)
	case !info.Mode().IsRegular():
		return f, errors.New("is not a regular file")
	case info.Size() > configMost:
		return f, errors.New("is over 1 MiB")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return f, plainCause(err)
	}
	err = toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&f)
	var strict *toml.StrictMissingError
	var bad *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		row, _ := strict.Errors[0].Position()
		return f, fmt.Errorf("line %d: there is no setting %q", row, keyText(strict.Errors[0].Key()))
	case errors.As(err, &bad):
		row, column := bad.Position()
		return f, fmt.Errorf("line %d, column %d: %s", row, column, bad.Error())
	}
	return f, err
}

func keyText(key toml.Key) string {
	if len(key) == 0 {
		return ""
	}
	return key[len(key)-1]
}

// plainCause is an error about a file without its name, which is said already.
func plainCause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

const configLong = `A config file is TOML. All its settings are optional; variables count more than
the file, and flags more than variables. File names in it are relative to its
folder.

    listen       = ":3376"
    state_dir    = "/var/lib/fernmesh-relay"
    tls_cert     = "/etc/fernmesh-relay/fullchain.pem"
    tls_key      = "/etc/fernmesh-relay/privkey.pem"
    public_hosts = ["relay.example.org"]
    behind_proxy = false
    ops_listen   = "127.0.0.1:3377"     # or "off"

Behind nginx, with behind_proxy = true and listen = "127.0.0.1:3376":

    location = /fernmesh/1 {
        proxy_pass http://127.0.0.1:3376;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_set_header Host $host;
        proxy_read_timeout 120s;
        proxy_send_timeout 120s;
    }`

// configTopic is "fernmesh-relay help config": a command without a run function
// is a help topic to cobra.
func configTopic() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "What a config file may hold", Long: configLong}
}
