package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/node"
)

// versionInfo is what "version --output json" prints; the keys stay.
type versionInfo struct {
	Version  string
	Revision string // of the source, if the build knows it
	Protocol string
	Go       string
	System   string
}

func (m *Main) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version [--output json]",
		Short: "Print the version",
		Args:  between(0, 0),
	}
	flags := addFlags(cmd, []*option{optionOutput})
	cmd.RunE = func(*cobra.Command, []string) error {
		s := defaultSettings() // no file and no variable may keep a version from being shown
		for _, r := range flags {
			if len(r.values) > 0 {
				_ = r.option.set(&s, r.values) // checked when the flag was read
			}
		}
		return m.version(s.json)
	}
	return cmd
}

func (m *Main) version(asJSON bool) error {
	v := currentVersion()
	if asJSON {
		return m.printJSON(map[string]any{
			"version": v.Version, "revision": v.Revision, "protocol": v.Protocol, "go": v.Go, "system": v.System,
		})
	}
	revision := ""
	if v.Revision != "" {
		revision = " (" + shorten(v.Revision) + ")"
	}
	_, err := fmt.Fprintf(m.out, "fernmesh %s%s, protocol %s, %s, %s\n", v.Version, revision, v.Protocol, v.Go, v.System)
	return err
}

func currentVersion() versionInfo {
	v := versionInfo{Version: node.Version, Protocol: "fm1", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
