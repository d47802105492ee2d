package netlab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// Available tells why no lab can be made on this machine, nil if one can. The
// first call finds out.
var Available = sync.OnceValue(available)

func available() error {
	if runtime.GOOS != "linux" {
		return errors.New("network namespaces exist on Linux only")
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("the %s command is missing: %w", tool, err)
		}
	}
	probe := "fm-" + randomName() + "-probe"
	if err := run("ip", "netns", "add", probe); err != nil {
		return fmt.Errorf("no network namespace can be made: %w", err)
	}
	err := run("ip", "netns", "exec", probe, "nft", "add", "table", "inet", "fm")
	return errors.Join(err, run("ip", "netns", "delete", probe))
}

// run runs a command; its output is part of the error.
func run(argv ...string) error {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func randomName() string {
	b := make([]byte, 4)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
