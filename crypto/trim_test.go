package crypto

import (
	"bytes"
	"testing"
)

func TestTrimGivesUpLargeBuffersOnly(t *testing.T) {
	initiator, responder := pair(t)
	send, receive := initiator.Send(), responder.Receive()
	for _, size := range []int{100, 64 << 10, 100} {
		message := bytes.Repeat([]byte("m"), size)
		plain, _, err := receive.Open(nil, send.Seal(nil, message, testTime))
		if err != nil || !bytes.Equal(plain, message) {
			t.Fatalf("%d bytes after a trim: %v", size, err)
		}
		large := cap(send.sealer.raw) > trimAbove && cap(receive.opener.raw) > trimAbove
		if large != (size > trimAbove) {
			t.Errorf("after %d bytes the buffers are %d and %d", size, cap(send.sealer.raw), cap(receive.opener.raw))
		}
		send.Trim()
		receive.Trim()
		if kept := min(cap(send.sealer.raw), cap(receive.opener.raw)) > 0; kept == large {
			t.Errorf("after %d bytes Trim left %d and %d", size, cap(send.sealer.raw), cap(receive.opener.raw))
		}
	}
}
