package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// recorder is a flag that keeps what it was given until the settings are put
// together. It checks at once, so that a wrong flag is a wrong command line.
type recorder struct {
	option *option
	values []string
}

// Set takes one use of the flag.
func (r *recorder) Set(v string) error {
	scratch := defaultSettings()
	if err := r.option.set(&scratch, []string{v}); err != nil {
		return err
	}
	r.values = append(r.values, v)
	return nil
}

// String is "", so that --help shows no default of its own: usage texts do.
func (r *recorder) String() string { return "" }

// Type is only for --help: usage texts name what a flag takes, and a switch
// takes nothing.
func (r *recorder) Type() string {
	if r.option.kind == kindSwitch {
		return "bool"
	}
	return "value"
}

// addFlags gives cmd the flags of options and returns their recorders.
func addFlags(cmd *cobra.Command, options []*option) []*recorder {
	recorders := make([]*recorder, 0, len(options))
	for _, o := range options {
		r := &recorder{option: o}
		usage := o.usage
		if o.env != "" {
			usage += " [" + o.env + "]"
		}
		f := cmd.Flags().VarPF(r, o.flag, "", usage)
		if o.kind == kindSwitch {
			f.NoOptDefVal = "true"
		}
		recorders = append(recorders, r)
	}
	cmd.Flags().SortFlags = false
	return recorders
}

// settings puts the settings together: defaults, then the file, then the
// environment, then flags; what comes later wins.
func (m *Main) settings(flags []*recorder) (settings, error) {
	s := defaultSettings()
	file, named := m.configFile(flags)
	if file != "" {
		if err := s.loadConfig(file, named); err != nil {
			return s, err
		}
	}
	err := m.override(&s, flags)
	return s, err
}

// settingsWithoutFile is for those who make the config file.
func (m *Main) settingsWithoutFile(flags []*recorder) (settings, error) {
	s := defaultSettings()
	err := m.override(&s, flags)
	return s, err
}

// override applies what counts more than the config file.
func (m *Main) override(s *settings, flags []*recorder) error {
	if err := s.loadEnvironment(m.Getenv); err != nil {
		return err
	}
	for _, r := range flags {
		if len(r.values) == 0 {
			continue
		}
		if err := r.option.set(s, r.values); err != nil {
			return flagFault(r.option.flag, err)
		}
		s.origins[r.option.flag] = "--" + r.option.flag
		if r.option == optionKeyFile {
			s.key = ""
		}
	}
	if s.stateDir == "" {
		s.stateDir = defaultStateDir(m.Getenv)
	}
	return nil
}

// configFile returns the config file's name, and whether somebody named it.
func (m *Main) configFile(flags []*recorder) (file string, named bool) {
	for _, r := range flags {
		if r.option == optionConfig && len(r.values) > 0 {
			return r.values[len(r.values)-1], true
		}
	}
	if file = m.Getenv(optionConfig.env); file != "" {
		return file, true
	}
	return defaultConfigFile(), false
}

// loadEnvironment applies the variables. An empty one is as good as unset.
func (s *settings) loadEnvironment(getenv func(string) string) error {
	for _, o := range allOptions {
		v := ""
		if o.env != "" {
			v = getenv(o.env)
		}
		if v == "" {
			continue
		}
		if err := o.set(s, []string{v}); err != nil {
			hint := hintOf(err)
			if hint == "" {
				hint = "correct the variable or unset it"
			}
			return faultf(exitConfig, hint, "%s %v", o.env, err)
		}
		s.origins[o.flag] = o.env
	}
	if s.key = getenv(keyVariable); s.key == "" {
		return nil
	}
	if getenv(optionKeyFile.env) != "" {
		return faultf(exitConfig, "unset one of the two", "%s and %s are both set", keyVariable, optionKeyFile.env)
	}
	s.keyFile = "" // of the config file, which counts less
	return nil
}

// keyVariable holds a key itself, for containers. It has no flag and no key in
// the config file, on purpose.
const keyVariable = "FERNMESH_KEY"

// flagFault explains what is wrong with the command line. The text that was
// given for a flag is never in it: it could be a key.
func flagFault(flag string, err error) error {
	code, hint := exitUsage, hintOf(err)
	if hint == "" {
		hint = "see the --help of the command"
	} else {
		code = exitConfig
	}
	return faultf(code, hint, "--%s %v", flag, err)
}

// flagError turns the flag parser's error into a fault.
func flagError(cmd *cobra.Command, err error) error {
	var (
		invalid *pflag.InvalidValueError
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
	)
	hint := fmt.Sprintf("see %q", strings.TrimSpace(cmd.CommandPath()+" --help"))
	switch {
	case errors.As(err, &invalid):
		return flagFault(invalid.GetFlag().Name, invalid.Unwrap())
	case errors.As(err, &unknown) && (unknown.GetSpecifiedName() == "key" || unknown.GetSpecifiedName() == "psk"):
		return faultf(exitConfig, keyAsFileHint, "a key is never given on the command line")
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return faultf(exitUsage, hint, "there is no flag -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return faultf(exitUsage, hint, "there is no flag --%s", shorten(unknown.GetSpecifiedName()))
	case errors.As(err, &missing):
		return faultf(exitUsage, hint, "--%s needs a value", missing.GetSpecifiedName())
	}
	return faultf(exitUsage, hint, "the flags are not well formed")
}
