package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// TestR47_KnownHelloFrame checks the frame of an initiator's HELLO against the
// protocol's known answers.
func TestR47_KnownHelloFrame(t *testing.T) {
	text, err := os.ReadFile("testdata/fm1-hello.json")
	if err != nil {
		t.Fatal(err)
	}
	var known struct {
		Frame string `json:"frame_plaintext"`
		Hello string `json:"hello"`
	}
	if err := json.Unmarshal(text, &known); err != nil {
		t.Fatal(err)
	}
	frame, hello := unhex(known.Frame), unhex(known.Hello)
	if got := AppendMessage(BeginFrame(nil, 0), TypeHello, hello); !bytes.Equal(got, frame) {
		t.Errorf("built %x\nwant  %x", got, frame)
	}
	messages, err := ParseFrame(frame, 0)
	if err != nil {
		t.Fatal(err)
	}
	for m := range messages.All() {
		if m.Type != TypeHello || !bytes.Equal(m.Body, hello) {
			t.Errorf("read %v %x", m.Type, m.Body)
		}
	}
}
