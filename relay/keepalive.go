package relay

import (
	"crypto/rand"
	mathrand "math/rand/v2" // jitter only
	"sync"
	"time"
)

// missedMost is how many PINGs in a row may go unanswered.
const missedMost = 2

// keepalive sends a PING now and then and judges the silence that follows. Any
// frame that comes after a PING shows life, since an answer may have to wait
// behind a large one.
type keepalive struct {
	every    time.Duration
	patience time.Duration

	mu      sync.Mutex
	asked   bool // a PING was sent and not yet judged
	sent    time.Time
	ping    Echo
	alive   bool // something came since the PING
	pending bool // the PING has no PONG yet
	missed  int
}

func (k *keepalive) init(every, patience time.Duration) {
	k.every = every
	k.patience = min(patience, every/2)
}

// interval draws the time until the next PING: every ± 20 %, so that the clients
// of a relay that has restarted do not keep in step.
func (k *keepalive) interval() time.Duration {
	return k.every*4/5 + mathrand.N(k.every*2/5+1)
}

// heard notes that a frame came.
func (k *keepalive) heard() {
	k.mu.Lock()
	k.alive = true
	k.mu.Unlock()
}

// answered takes a PONG and returns the round trip. One to nothing we sent
// last is ignored.
func (k *keepalive) answered(e Echo) (time.Duration, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.pending || e != k.ping {
		return 0, false
	}
	k.pending = false
	return time.Since(k.sent), true
}

// tick sends a PING when it is time for one, or judges the last. It returns when
// to call it again.
func (k *keepalive) tick(out *outgoing) (time.Duration, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked && k.alive {
		k.asked, k.missed = false, 0
		return k.interval() - k.patience, nil
	}
	if k.asked {
		if k.missed++; k.missed >= missedMost {
			return 0, ErrSilent
		}
	}
	rand.Read(k.ping[:]) // never fails; a relay cannot answer what it has not seen
	k.asked, k.pending, k.alive, k.sent = true, true, false, time.Now()
	out.ping(k.ping)
	return k.patience, nil
}
