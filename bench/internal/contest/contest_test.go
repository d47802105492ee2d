package contest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main(testSection())
	os.Exit(m.Run())
}

// testSection has contestants that do as little as possible, right and wrong.
func testSection() Section {
	client := Role{"client", func(p *Process) error {
		return p.Measure(func(int) (func() error, error) { return askOnce(p.Peers["server"]["address"]) })
	}}
	return Section{Name: "test", Contestants: []Contestant{
		{Name: "right", Roles: []Role{{"server", answerBytes}, client}},
		{Name: "also-right", Roles: []Role{{"server", answerBytes}, client}},
		{Name: "third", Roles: []Role{{"server", answerBytes}, client}},
		{Name: "skips", Roles: []Role{{"server", answerBytes}, client}, Skip: func(Job) bool { return true }},
		{Name: "refuses", Roles: []Role{{"server", func(*Process) error { return errors.New("no such thing here") }}, client}},
		{Name: "crashes", Roles: []Role{{"server", func(*Process) error { panic("out of ideas") }}, client}},
		{Name: "hangs", Roles: []Role{{"server", func(*Process) error { select {} }}, client}},
		{Name: "fails", Roles: []Role{{"server", answerBytes}, {"client", func(p *Process) error {
			return p.Measure(func(int) (func() error, error) {
				return func() error { return errors.New("wrong bytes") }, nil
			})
		}}}},
	}}
}

func contestant(t *testing.T, name string) Contestant {
	t.Helper()
	for _, c := range testSection().Contestants {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no contestant %q", name)
	return Contestant{}
}

func answerBytes(p *Process) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := p.Ready(Values{"address": l.Addr().String()}); err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go io.Copy(conn, conn)
	}
}

func askOnce(address string) (func() error, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 1)
	return func() error {
		_ = make([]byte, 1<<20) // an allocation to be counted
		if _, err := conn.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, b)
		return err
	}, nil
}

var short = Job{Name: "short", Callers: 3, Warm: time.Millisecond, Duration: 30 * time.Millisecond}

func TestATrialTellsWhatEveryProcessUsed(t *testing.T) {
	trial := Run(t.Context(), "test", contestant(t, "right"), short, Certificates{})
	if trial.Err != "" {
		t.Fatal(trial.Err)
	}
	r := trial.Result
	if r.Calls < 3 || r.Elapsed < short.Duration || r.P50 <= 0 || r.P99 < r.P50 || r.Max < r.P99 {
		t.Errorf("%+v", r)
	}
	if len(trial.Usage) != 2 || CPU(trial) <= 0 || Resident("server")(trial) < 0 {
		t.Errorf("%+v", trial.Usage)
	}
	if a := Allocations("server")(trial); a < 0 {
		t.Errorf("%v allocations of the server", a)
	}
	if Allocations("broker")(trial) >= 0 {
		t.Error("a process that was not there allocated")
	}
}

func TestATrialTellsWhyItFailed(t *testing.T) {
	for name, why := range map[string]string{"refuses": "no such thing here", "crashes": "out of ideas", "fails": "wrong bytes"} {
		trial := Run(t.Context(), "test", contestant(t, name), short, Certificates{})
		if !strings.Contains(trial.Err, why) {
			t.Errorf("%s: %q", name, trial.Err)
		}
	}
	gone := Contestant{Name: "nobody", Roles: []Role{{Name: "server"}}}
	if trial := Run(t.Context(), "test", gone, short, Certificates{}); !strings.Contains(trial.Err, `no role "test/nobody/server"`) {
		t.Errorf("an unknown role: %q", trial.Err)
	}
}

func TestWhoHangsIsEnded(t *testing.T) {
	trial := runWithin(t.Context(), 200*time.Millisecond, "test", contestant(t, "hangs"), short, Certificates{})
	if !strings.Contains(trial.Err, "not done within 200ms: server did not get ready") {
		t.Errorf("%q", trial.Err)
	}
}

// A process ends when its input does, whatever it is doing.
func TestAProcessEndsWithTheOneThatStartedIt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), roleEnv+"=test/right/server")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "{}\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, `"ready"`) {
		t.Fatalf("%q, %v", line, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it did not end by itself: %v", err)
	}
}

func TestEveryRoundHasAnOrderOfItsOwn(t *testing.T) {
	only := []string{"right", "also-right", "third", "skips", "fails"}
	job := Job{Name: "one", Callers: 1}
	trials, err := Compare(t.Context(), "test", testSection().Contestants, []Job{job, {Name: "other"}}, Options{Rounds: 3, Seed: 1, Only: only, Cells: []string{"one"}})
	if err != nil {
		t.Fatal(err)
	}
	orders := map[int]string{}
	for _, trial := range trials {
		orders[trial.Round] += trial.Contestant + " "
	}
	different := map[string]bool{}
	for _, order := range orders {
		different[order] = true
		if len(strings.Fields(order)) != 4 {
			t.Errorf("a round of %q", order)
		}
	}
	if len(orders) != 3 || len(different) < 2 {
		t.Errorf("%v", orders)
	}
	if n := len(Pick(trials, "right", "one", func(t Trial) float64 { return t.Result.Rate() })); n != 3 {
		t.Errorf("%d figures of 3 rounds", n)
	}
	if len(Pick(trials, "fails", "one", CPU)) != 0 || len(Failures(trials)) != 3 {
		t.Errorf("failures: %v", Failures(trials))
	}
}
