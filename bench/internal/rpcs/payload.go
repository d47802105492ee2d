package rpcs

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

// echoes makes one caller of an exchange: it checks the first answer byte by
// byte and every later one by its length.
func echoes(payload []byte, exchange func([]byte) ([]byte, error)) func() error {
	compared := false
	return func() error {
		back, err := exchange(payload)
		if err != nil {
			return err
		}
		if len(back) != len(payload) {
			return fmt.Errorf("%d bytes came back of %d", len(back), len(payload))
		}
		if !compared {
			if !bytes.Equal(back, payload) {
				return fmt.Errorf("other bytes came back than were sent")
			}
			compared = true
		}
		return nil
	}
}

// payloadOf makes the random bytes that all callers of a process send.
func payloadOf(p *contest.Process) []byte {
	payload := make([]byte, p.Job.Payload)
	_, _ = rand.Read(payload) // it never fails
	return payload
}
