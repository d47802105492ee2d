package contest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// grace is how long a process may take to end after its input ended.
const grace = 3 * time.Second

// A part is a process that plays a role, as the contest sees it.
type part struct {
	role    string
	command *exec.Cmd
	in      io.Closer
	orders  *json.Encoder
	answers *json.Decoder
	words   *tail // its last words on standard error
	ended   sync.Once
}

func start(ctx context.Context, role string, s setup) (*part, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program to start: %w", err)
	}
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), roleEnv+"="+role)
	p := &part{command: c, words: &tail{}}
	c.Stderr, c.WaitDelay = p.words, grace
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	p.in, p.orders, p.answers = in, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))
	if err := p.orders.Encode(s); err != nil {
		return nil, p.told(err)
	}
	return p, nil
}

func (p *part) ready() (Values, error) {
	a, err := p.answer()
	if err == nil && a.Ready == nil {
		err = errors.New("it said something else")
	}
	if err != nil {
		return nil, err
	}
	return *a.Ready, nil
}

func (p *part) usage() (Usage, error) {
	if err := p.orders.Encode(order{doUsage}); err != nil {
		return Usage{}, p.told(err)
	}
	a, err := p.answer()
	if err == nil && a.Usage == nil {
		err = errors.New("it did not tell its usage")
	}
	if err != nil {
		return Usage{}, err
	}
	return *a.Usage, nil
}

func (p *part) measure() (Result, Usage, error) {
	if err := p.orders.Encode(order{doMeasure}); err != nil {
		return Result{}, Usage{}, p.told(err)
	}
	a, err := p.answer()
	if err == nil && (a.Result == nil || a.Usage == nil) {
		err = errors.New("it did not tell a result")
	}
	if err != nil {
		return Result{}, Usage{}, err
	}
	return *a.Result, *a.Usage, nil
}

func (p *part) answer() (answer, error) {
	var a answer
	if err := p.answers.Decode(&a); err != nil {
		return a, p.told(err)
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// told adds the last words of a process that stopped answering. It waits for
// its end first: the answers may stop before the words have all come.
func (p *part) told(err error) error {
	p.end()
	if words := p.words.String(); words != "" {
		return fmt.Errorf("%w; it said: %s", err, words)
	}
	return fmt.Errorf("%w; it said nothing", err)
}

// end closes the input, on which the process ends by itself, and kills it if
// it does not. It may be called again.
func (p *part) end() {
	p.ended.Do(func() {
		_ = p.in.Close() // it may have ended already
		late := time.AfterFunc(grace, func() { _ = p.command.Process.Kill() })
		defer late.Stop()
		_ = p.command.Wait() // how it ended does not matter any more
	})
}
