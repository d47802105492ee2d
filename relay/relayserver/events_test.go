package relayserver_test

import (
	"time"

	"github.com/fernmesh/fernmesh/relay"
)

// events is a relay.Handler that passes on what it is told.
type events struct {
	up, down chan relay.Addr
	casted   chan cast
	accepted chan *relay.Channel
	drains   chan time.Duration
}

type cast struct {
	from  relay.Addr
	token string
}

func newEvents() *events {
	return &events{
		make(chan relay.Addr, 2048), make(chan relay.Addr, 2048), make(chan cast, 2048),
		make(chan *relay.Channel, 2048), make(chan time.Duration, 16),
	}
}

func (e *events) Up(a relay.Addr)                      { e.up <- a }
func (e *events) Down(a relay.Addr)                    { e.down <- a }
func (e *events) Casted(from relay.Addr, token []byte) { e.casted <- cast{from, string(token)} }
func (e *events) Accept(c *relay.Channel)              { e.accepted <- c }
func (e *events) Draining(after time.Duration)         { e.drains <- after }
