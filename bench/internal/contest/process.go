package contest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Process is what one role sees of its contest. Its methods may be called by
// several goroutines.
type Process struct {
	Job Job
	// Peers are what earlier roles said when they were ready, by role.
	Peers map[string]Values
	// TLS are certificates that all roles of this trial trust.
	TLS Certificates
	// Secret is a fernmesh network key, fresh for this trial.
	Secret string

	out     sync.Mutex
	encoder *json.Encoder
	measure chan struct{}
	profile profile
}

// Main plays a role, and does not return, if the process was started as one;
// else it returns at once. It has to be called at the very start of main, or
// of TestMain.
func Main(sections ...Section) {
	name := os.Getenv(roleEnv)
	if name == "" {
		return
	}
	os.Exit(play(name, sections, os.Stdin, os.Stdout))
}

func play(name string, sections []Section, in io.Reader, out io.Writer) int {
	p := &Process{encoder: json.NewEncoder(out), measure: make(chan struct{})}
	run, err := roleNamed(name, sections)
	if err == nil {
		err = p.begin(name, in)
	}
	if err == nil {
		err = run(p)
	}
	if err != nil {
		_ = p.say(answer{Err: err.Error()}) // whoever listened may be gone
		return 1
	}
	return p.Wait()
}

func roleNamed(name string, sections []Section) (func(*Process) error, error) {
	for _, s := range sections {
		for _, c := range s.Contestants {
			for _, r := range c.Roles {
				if roleName(s.Name, c, r) == name {
					return r.Run, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("no role %q in this program", name)
}

func roleName(section string, c Contestant, r Role) string {
	return section + "/" + c.Name + "/" + r.Name
}

// begin reads the setup and goes on to listen for orders, until the input
// ends and the process with it.
func (p *Process) begin(role string, in io.Reader) error {
	lines := json.NewDecoder(bufio.NewReader(in))
	var s setup
	if err := lines.Decode(&s); err != nil {
		return fmt.Errorf("no setup on standard input: %w", err)
	}
	p.Job, p.Peers, p.TLS, p.Secret = s.Job, s.Peers, s.TLS, s.Secret
	p.profile = profileOf(s.Job, role)
	go p.listen(lines)
	return nil
}

func (p *Process) listen(lines *json.Decoder) {
	for {
		var o order
		if err := lines.Decode(&o); err != nil {
			os.Exit(0) // whoever started this process is done with it
		}
		switch o.Do {
		case doMeasure:
			close(p.measure)
		case doUsage:
			_ = p.tellUsage() // if it fails, nobody listens
		}
	}
}

// tellUsage is asked for before the measured span and after it.
func (p *Process) tellUsage() error {
	if err := p.profile.end(); err != nil {
		return p.say(answer{Err: err.Error()})
	}
	u := readUsage()
	if err := p.profile.begin(); err != nil {
		return p.say(answer{Err: err.Error()})
	}
	return p.say(answer{Usage: &u})
}

// Ready tells the contest that others may rely on this process, and gives
// later roles what they have to know.
func (p *Process) Ready(v Values) error {
	if v == nil {
		v = Values{}
	}
	return p.say(answer{Ready: &v})
}

// Wait serves until the contest is over; it never returns, the process ends.
func (p *Process) Wait() int { select {} }

// Begin says that the last role is ready and waits until the span begins; it
// returns what the process used before. For roles that cannot use Measure.
func (p *Process) Begin() (Usage, error) {
	if err := p.Ready(nil); err != nil {
		return Usage{}, err
	}
	<-p.measure
	return readUsage(), p.profile.begin()
}

// Finish hands over what was measured since Begin.
func (p *Process) Finish(before Usage, r Result) error {
	u := readUsage().since(before)
	if err := p.profile.end(); err != nil {
		return err
	}
	return p.say(answer{Result: &r, Usage: &u})
}

func (p *Process) say(a answer) error {
	p.out.Lock()
	defer p.out.Unlock()
	if err := p.encoder.Encode(a); err != nil {
		return errors.Join(errors.New("the contest does not listen any more"), err)
	}
	return nil
}
