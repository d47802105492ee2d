package node

import "fmt"

// State is where a link to a peer stands. The numbers are those of logs,
// `__peers__` and metrics, and do not change.
type State uint8

// The states. A link that this node makes goes through Connecting, Connected
// and Ready, one that it accepts begins Connected. Calls are taken in Ready and
// ReadyWaitingPong only.
const (
	// StateConnecting: this node is connecting, by TCP or at a relay.
	StateConnecting State = 16
	// StateConnected: bytes pass, HELLO is not done.
	StateConnected State = 17
	// StateReady: both sides are welcome, calls pass.
	StateReady State = 18
	// StateReadyWaitingPong: as StateReady; a PING of the watchdog has no PONG yet.
	StateReadyWaitingPong State = 19
	// StateDisconnecting: BYE was sent or answered, accepted calls finish.
	StateDisconnecting State = 26
	// StateClosing: nothing more is read, what is under way comes to its end.
	StateClosing State = 27
	// StateClosed: there is no link.
	StateClosed State = 28
)

var stateNames = map[State]string{
	StateConnecting: "connecting", StateConnected: "connected", StateReady: "ready",
	StateReadyWaitingPong: "ready, waiting for pong", StateDisconnecting: "disconnecting",
	StateClosing: "closing", StateClosed: "closed",
}

// String names the state.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Ready tells whether calls are taken in the state.
func (s State) Ready() bool { return s == StateReady || s == StateReadyWaitingPong }

// legal lists where each state may go. A link begins Connecting or Connected.
var legal = map[State][]State{
	StateConnecting:       {StateConnected, StateClosed},
	StateConnected:        {StateReady, StateClosing, StateClosed},
	StateReady:            {StateReadyWaitingPong, StateDisconnecting, StateClosing},
	StateReadyWaitingPong: {StateReady, StateDisconnecting, StateClosing},
	StateDisconnecting:    {StateClosing},
	StateClosing:          {StateClosed},
}

// rank orders states by how much of a link there is, for a peer with several.
func (s State) rank() int {
	for i, o := range [...]State{
		StateClosed, StateClosing, StateDisconnecting, StateConnecting, StateConnected, StateReadyWaitingPong, StateReady,
	} {
		if s == o {
			return i
		}
	}
	return 0
}

// Reason is why a link ended, or could not be made. The numbers are those of
// logs, `__peers__` and metrics, and do not change.
type Reason uint8

// The reasons.
const (
	// ReasonNone: nothing has ended since the last successful connect.
	ReasonNone Reason = 0
	// ReasonPeerBye: the peer said BYE.
	ReasonPeerBye Reason = 32
	// ReasonShutdown: this node shut down.
	ReasonShutdown Reason = 33
	// ReasonClean: this node ended the link without an error: it was idle, too
	// old, replaced by another one, or not needed.
	ReasonClean Reason = 34
	// ReasonSocket: the connection broke, or could not be written to.
	ReasonSocket Reason = 48
	// ReasonGone: the peer closed without a BYE.
	ReasonGone Reason = 49
	// ReasonConnect: no connection could be made.
	ReasonConnect Reason = 50
	// ReasonHelloTimeout: there was a connection, and no good HELLO in time.
	ReasonHelloTimeout Reason = 51
	// ReasonHelloRefused: one side did not welcome the other.
	ReasonHelloRefused Reason = 52
	// ReasonPongTimeout: a PING stayed without its PONG for too long.
	ReasonPongTimeout Reason = 53
	// ReasonUnknown: anything else, such as a peer that broke the protocol.
	ReasonUnknown Reason = 64
)

var reasonNames = map[Reason]string{
	ReasonNone: "none", ReasonPeerBye: "peer said bye", ReasonShutdown: "shutdown of this node",
	ReasonClean: "clean", ReasonSocket: "socket error", ReasonGone: "peer went away",
	ReasonConnect: "connect failed", ReasonHelloTimeout: "hello timeout", ReasonHelloRefused: "hello refused",
	ReasonPongTimeout: "pong timeout", ReasonUnknown: "unknown",
}

// String names the reason.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Direction says which side made a link.
type Direction uint8

// The directions; a peer with links of both has both flags.
const (
	// Receiver: the peer made it.
	Receiver Direction = 1
	// Sender: this node made it.
	Sender Direction = 2
)

// String names the direction.
func (d Direction) String() string {
	switch d {
	case 0:
		return "none"
	case Receiver:
		return "receiver"
	case Sender:
		return "sender"
	case Receiver | Sender:
		return "receiver and sender"
	}
	return fmt.Sprintf("direction %d", uint8(d))
}
