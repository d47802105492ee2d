package node

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// life is the state machine of one link over one path, from the first attempt to
// its end. Whoever makes or serves the link moves it. Its fields are guarded by
// peerTable.mu, but those of the first group, which do not change.
type life struct {
	table     *peerTable
	ident     string // 6 bytes in hex, never the same twice in one run of the node
	direction Direction
	key       pathKey
	addr      string
	began     time.Time

	peer   *lifeRecord // nil while it is not known who is there, and for observers
	state  State
	reason Reason    // the first cause
	err    error     // that told of it
	since  time.Time // of the state
}

// dialled begins the life of a link that this node makes; who may be nil.
func (t *peerTable) dialled(who *lifeRecord, key pathKey, addr string) *life {
	return t.begin(who, Sender, StateConnecting, key, addr)
}

// accepted begins the life of a link that somebody else makes.
func (t *peerTable) accepted(key pathKey, addr string) *life {
	return t.begin(nil, Receiver, StateConnected, key, addr)
}

func (t *peerTable) begin(who *lifeRecord, d Direction, s State, key pathKey, addr string) *life {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	l := &life{table: t, ident: t.newIdent(), direction: d, key: key, addr: addr, began: now, state: s, since: now}
	if who != nil {
		t.bind(l, who.now())
	}
	t.tell(l, 0, s)
	return l
}

// move goes on to a state if that is legal. An illegal move is a bug of this
// program: it is counted and logged, and not done.
func (l *life) move(to State) bool {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	return l.table.move(l, to)
}

// end goes to Closed with a cause, unless there was one before.
func (l *life) end(why Reason, err error) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.blame(why, err)
	if l.state != StateClosing && l.state != StateConnecting {
		l.table.move(l, StateClosing)
	}
	l.table.move(l, StateClosed)
}

// closing says that nothing more is read, with a cause.
func (l *life) closing(why Reason, err error) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.blame(why, err)
	if l.state != StateClosing {
		l.table.move(l, StateClosing)
	}
}

// parts says that BYE was said, with a cause; once is enough.
func (l *life) parts(why Reason, err error) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.blame(why, err)
	if l.state.Ready() {
		l.table.move(l, StateDisconnecting)
	}
}

// probed follows the watchdog: waiting while its PING has no PONG. While BYE is
// under way that is no state of its own.
func (l *life) probed(waiting bool) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	switch {
	case waiting && l.state == StateReady:
		l.table.move(l, StateReadyWaitingPong)
	case !waiting && l.state == StateReadyWaitingPong:
		l.table.move(l, StateReady)
	}
}

// blame keeps the first cause. Callers hold the table's mu.
func (l *life) blame(why Reason, err error) {
	if l.reason == ReasonNone {
		l.reason, l.err = why, err
	}
}

// move is life.move. Callers hold mu.
func (t *peerTable) move(l *life, to State) bool {
	from := l.state
	if !slices.Contains(legal[from], to) {
		t.count.IllegalMoves.Add(1)
		t.log.Error("a link was to make an illegal move; please report this", "ident", l.ident, "from", from.String(), "to", to.String())
		return false
	}
	l.state, l.since = to, time.Now()
	t.tell(l, from, to)
	if l.peer != nil {
		l.peer.moved(l, from)
	}
	return true
}

// tell logs a move. The codes are for programs, the names for people.
func (t *peerTable) tell(l *life, from, to State) {
	ctx := context.Background()
	if !t.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("ident", l.ident), slog.Int("direction", int(l.direction)), slog.String("remote", l.addr),
		slog.Int("from", int(from)), slog.Int("to", int(to)), slog.String("state", to.String()),
	}
	if l.peer != nil {
		attrs = append(attrs, slog.String("peer", l.peer.label()))
	}
	if l.reason != ReasonNone {
		attrs = append(attrs, slog.Int("reason", int(l.reason)), slog.String("why", l.reason.String()))
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, "link state", attrs...)
}
