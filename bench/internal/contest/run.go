package contest

import (
	"context"
	"fmt"
	"time"
)

// patience is what a contestant may take for anything beyond the time that it
// was told to measure; who takes longer hangs.
const patience = 30 * time.Second

// Run lets one contestant of a section do one job, in fresh processes, and
// ends them all before it returns.
func Run(ctx context.Context, section string, c Contestant, job Job, tls Certificates) Trial {
	return runWithin(ctx, patience+job.Warm+job.Duration, section, c, job, tls)
}

func runWithin(ctx context.Context, limit time.Duration, section string, c Contestant, job Job, tls Certificates) Trial {
	t := Trial{Contestant: c.Name, Job: job.Name}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := run(bounded, section, c, job, tls, &t)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil { // its processes were killed, so they answered no more
		err = fmt.Errorf("not done within %v: %w", limit, err)
	}
	if err != nil {
		t.Err = err.Error()
	}
	return t
}

func run(ctx context.Context, section string, c Contestant, job Job, tls Certificates, t *Trial) error {
	s := setup{Job: job, Peers: map[string]Values{}, TLS: tls, Secret: newSecret()}
	parts := make([]*part, 0, len(c.Roles))
	defer func() {
		for i := len(parts) - 1; i >= 0; i-- { // the last one needs the others
			parts[i].end()
		}
	}()
	for _, r := range c.Roles {
		p, err := start(ctx, roleName(section, c, r), s)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		p.role = r.Name
		parts = append(parts, p)
		ready, err := p.ready()
		if err != nil {
			return fmt.Errorf("%s did not get ready: %w", r.Name, err)
		}
		s.Peers[r.Name] = ready
	}
	return measure(parts, t)
}

// measure reads what the serving processes used before and after the last one
// measures.
func measure(parts []*part, t *Trial) error {
	last, servers := parts[len(parts)-1], parts[:len(parts)-1]
	before, err := usageOf(servers)
	if err != nil {
		return err
	}
	result, used, err := last.measure()
	if err != nil {
		return fmt.Errorf("%s: %w", last.role, err)
	}
	after, err := usageOf(servers)
	if err != nil {
		return err
	}
	t.Result, t.Usage = result, map[string]Usage{last.role: used}
	for i, p := range servers {
		t.Usage[p.role] = after[i].since(before[i])
	}
	return nil
}

func usageOf(parts []*part) ([]Usage, error) {
	all := make([]Usage, len(parts))
	for i, p := range parts {
		u, err := p.usage()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.role, err)
		}
		all[i] = u
	}
	return all, nil
}
