package contest

import "github.com/fernmesh/fernmesh/crypto"

// roleEnv names the part that a process plays, "section/contestant/role".
const roleEnv = "FERNMESH_BENCH_ROLE"

// setup is the first line that a process reads.
type setup struct {
	Job    Job               `json:"job"`
	Peers  map[string]Values `json:"peers"` // what earlier roles said when they were ready
	TLS    Certificates      `json:"tls"`
	Secret string            `json:"secret"` // one fresh network key for a trial
}

// order is every later line that a process reads.
type order struct {
	Do string `json:"do"`
}

const (
	doUsage   = "usage"   // answer with what was used so far
	doMeasure = "measure" // the last role: begin
)

// answer is a line that a process writes.
type answer struct {
	Ready  *Values `json:"ready,omitempty"`
	Usage  *Usage  `json:"usage,omitempty"`
	Result *Result `json:"result,omitempty"` // with Usage over the span
	Err    string  `json:"error,omitempty"`
}

// newSecret makes a network key for one trial.
func newSecret() string { return crypto.GenerateKey().Reveal() }
