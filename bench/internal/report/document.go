package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A Document is all of one comparison, as the JSON file has it.
type Document struct {
	Begun    time.Time `json:"begun"`
	Machine  Machine   `json:"machine"`
	Rounds   int       `json:"rounds"`
	Duration string    `json:"duration_of_a_cell"`
	Seed     uint64    `json:"seed"`
	// Modules are the versions of what was measured, by module path.
	Modules  map[string]string `json:"modules"`
	Sections []*Section        `json:"sections"`
}

// A Machine is where the comparison ran.
type Machine struct {
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// ThisMachine describes the one that runs the program.
func ThisMachine() Machine {
	return Machine{runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0)}
}

// Versions looks up modules in what the program was built from. A module that
// stands for a directory, as fernmesh itself does here, is "this tree".
func Versions(modules []string) map[string]string {
	versions := map[string]string{}
	for _, m := range modules {
		versions[m] = "unknown"
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, d := range info.Deps {
		if _, wanted := versions[d.Path]; !wanted {
			continue
		}
		versions[d.Path] = d.Version
		if d.Replace != nil {
			versions[d.Path] = "this tree"
		}
	}
	return versions
}

// Origin tells in one line where the figures come from.
func (d Document) Origin() string {
	var versions []string
	for _, m := range slices.Sorted(maps.Keys(d.Modules)) {
		versions = append(versions, m+" "+d.Modules[m])
	}
	return fmt.Sprintf("Measured %s: %s, %s/%s, %d CPUs (GOMAXPROCS %d), rounds: %d, each cell %s, seed %d. %s.",
		d.Begun.Format(time.DateOnly), d.Machine.Go, d.Machine.OS, d.Machine.Arch, d.Machine.CPUs, d.Machine.GOMAXPROCS,
		d.Rounds, d.Duration, d.Seed, strings.Join(versions, ", "))
}

// Charts returns those of all sections.
func (d Document) Charts() []Chart {
	var all []Chart
	for _, s := range d.Sections {
		all = append(all, s.Charts...)
	}
	return all
}

// JSON writes the document, indented.
func JSON(w io.Writer, d Document) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(d)
}
