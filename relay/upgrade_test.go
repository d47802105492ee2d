package relay_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fernmesh/fernmesh/relay"
)

func TestUpgradeRefusesOtherAnswers(t *testing.T) {
	headers := "Connection: Upgrade\r\nUpgrade: fernmesh-relay/1\r\n\r\n"
	for name, c := range map[string]struct {
		answer string
		status int
		words  []string
	}{
		"redirect": {
			"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\u202e\r\n\r\n", 301,
			[]string{"redirect", `"http://169.254.169.254/\u202e"`, "never followed"},
		},
		"not found":          {"HTTP/1.1 404 Not Found\r\n\r\n", 404, []string{"404", "not a relay"}},
		"a page":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, []string{"200"}},
		"wants TLS":          {"HTTP/1.0 400 Bad Request\r\n\r\n", 400, []string{"400", "https://"}},
		"upgrade required":   {"HTTP/1.1 426 Upgrade Required\r\n\r\n", 426, []string{"proxy"}},
		"overload":           {"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, []string{"overloaded"}},
		"other protocol":     {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 101, []string{"fernmesh-relay/1"}},
		"no connection":      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: fernmesh-relay/1\r\n\r\n", 101, []string{"fernmesh-relay/1"}},
		"continue":           {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 X\r\n" + headers, 100, []string{"100"}},
		"bad header":         {"HTTP/1.1 101 X\r\nno colon\r\n" + headers, 101, []string{"headers"}},
		"HTTP/2":             {"HTTP/2 101 X\r\n" + headers, 0, []string{"not an HTTP/1.1 server"}},
		"no status":          {"HTTP/1.1\r\n" + headers, 0, []string{"not an HTTP/1.1 server"}},
		"odd status":         {"HTTP/1.1 0101 X\r\n" + headers, 0, []string{"not an HTTP/1.1 server"}},
		"SSH":                {"SSH-2.0-OpenSSH_9.9\r\n", 0, []string{"not an HTTP/1.1 server"}},
		"TLS alert":          {"\x15\x03\x01\x00\x02\x02\x16", 0, []string{"speaks TLS", "https://"}},
		"nothing":            {"", 0, []string{"closed without"}},
		"half":               {"HTTP/1.1 101 Switching", 0, []string{"closed without"}},
		"a head without end": {"HTTP/1.1 101 X\r\nA: " + strings.Repeat("a", 9000), 0, []string{"8192"}},
		"many headers":       {"HTTP/1.1 101 X\r\n" + strings.Repeat("A: b\r\n", 2000) + headers, 0, []string{"8192"}},
	} {
		s := newStation(t)
		err := exchange(t, s, s.config(newEvents()), func(k *seat) { _ = k.send([]byte(c.answer)) })
		var e *relay.UpgradeError
		if !errors.As(err, &e) || e.Status != c.status {
			t.Errorf("%s: %#v", name, err)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(e.Error(), word) {
				t.Errorf("%s: %q does not say %q", name, e, word)
			}
		}
	}
}

// SECURITY row 25's other side: what the client reads of an answer is bounded.
func TestUpgradeReadsABoundedHead(t *testing.T) {
	r := &counting{r: io.MultiReader(strings.NewReader("HTTP/1.1 101 X\r\nA: "), endless{}), most: 1000}
	if _, err := relay.ReadUpgrade(r); err == nil || r.reads > 10 {
		t.Errorf("%d reads of 1000 bytes, %v", r.reads, err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'a'
	}
	return len(b), nil
}

// Frames may come in the packet of the answer's head.
func TestUpgradeKeepsWhatFollows(t *testing.T) {
	answer := strings.NewReader("HTTP/1.1 101 x\r\nUPGRADE: other, Fernmesh-Relay/1\r\nconnection: keep-alive, Upgrade\r\n\r\n\x01\x00rest")
	rest, err := relay.ReadUpgrade(answer)
	if err != nil || string(rest) != "\x01\x00rest" {
		t.Errorf("rest %q, %v", rest, err)
	}
}

func TestUpgradeNamesTheHost(t *testing.T) {
	for text, want := range map[string]string{
		"relay:3376":          "relay:3376",
		"http://relay":        "relay",
		"relay:443":           "relay:443",
		"https://relay":       "relay",
		"[fd00::1]:3376":      "[fd00::1]:3376",
		"[fd00::1%lan0]:3376": "[fd00::1]:3376",
	} {
		a, err := relay.ParseAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(relay.AppendUpgrade(nil, a)); !strings.Contains(got, "\r\nHost: "+want+"\r\n") {
			t.Errorf("%s: request %q", text, got)
		}
	}
}
