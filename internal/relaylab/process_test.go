package relaylab_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/meshtest/netlab"
)

// readyWithin bounds the start of a program.
const readyWithin = 20 * time.Second

// process is a program that runs on a host until it is killed. Its standard
// output and standard error are kept.
type process struct {
	cmd  *exec.Cmd
	out  transcript
	errs transcript
	end  sync.Once
}

// start returns when the program has printed a line.
func start(t *testing.T, on *netlab.Host, env []string, argv ...string) *process {
	t.Helper()
	p := &process{out: transcript{line: make(chan struct{})}}
	p.cmd = command(context.Background(), on, env, argv...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	select {
	case <-p.out.line:
	case <-time.After(readyWithin):
		p.kill()
		t.Fatalf("%v did not get ready: %s", argv, p.errs.String())
	}
	return p
}

// command is one of the programs under test on a host. It inherits nothing of
// fernmesh's own variables.
func command(ctx context.Context, on *netlab.Host, env []string, argv ...string) *exec.Cmd {
	cmd := on.Command(ctx, append([]string{filepath.Join(programs, argv[0])}, argv[1:]...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "FERNMESH_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// kill ends the program by SIGKILL and waits for that. "ip netns exec" has
// become the program itself, so it is the program that dies.
func (p *process) kill() {
	p.end.Do(func() {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		_ = p.cmd.Wait()
	})
}

// transcript is what a program prints.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	line chan struct{} // closed with the first line; nil if nobody waits for it
	once sync.Once
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line != nil && bytes.IndexByte(b, '\n') >= 0 {
		w.once.Do(func() { close(w.line) })
	}
	return w.text.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
