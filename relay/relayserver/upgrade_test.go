package relayserver

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/fernmesh/fernmesh/relay"
)

// conversation is a connection of which a test says what is read.
type conversation struct {
	io.Reader
	bytes.Buffer // what was written
}

func (c *conversation) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func ask(text string) (early []byte, answer string, err error) {
	c := &conversation{Reader: iotest.OneByteReader(strings.NewReader(text))}
	early, err = upgrade(c)
	return early, c.String(), err
}

const lines = "Host: relay.example\r\nConnection: Upgrade\r\nUpgrade: fernmesh-relay/1\r\n"

// A good request is answered by 101, with or without what proxies add and in any case.
func TestUpgradeRequestsThatAreGood(t *testing.T) {
	for _, text := range []string{
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "\r\n",
		"GET /fernmesh/1 HTTP/1.1\r\nhost:a\r\nCONNECTION: keep-alive ,\tuPgrade\r\nupgrade: h2c, Fernmesh-Relay/1\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 0\r\n\r\n",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "X: " + strings.Repeat("a", 8000-len(lines)) + "\r\n\r\n",
	} {
		early, answer, err := ask(text)
		if err != nil || len(early) > 0 || answer != switching {
			t.Errorf("%.80q: %q, %v", text, answer, err)
		}
	}
	c := &conversation{Reader: strings.NewReader("GET /fernmesh/1 HTTP/1.1\r\n" + lines + "\r\nearly")}
	if early, err := upgrade(c); err != nil || string(early) != "early" {
		t.Errorf("%q, %v", early, err)
	}
}

// Anything else gets a short answer, which repeats nothing of the request (R27).
func TestR27_UpgradeRequestsThatAreNot(t *testing.T) {
	for text, status := range map[string]string{
		"GET / HTTP/1.1\r\n" + lines + "\r\n":                                                      "404",
		"GET /fernmesh/1?x HTTP/1.1\r\n" + lines + "\r\n":                                          "404",
		"GET /fernmesh/11 HTTP/1.1\r\n" + lines + "\r\n":                                           "404",
		"GET http://evil/fernmesh/1 HTTP/1.1\r\n" + lines + "\r\n":                                 "404",
		"POST /fernmesh/1 HTTP/1.1\r\n" + lines + "\r\n":                                           "405",
		"GET /fernmesh/1 HTTP/1.1\r\nHost: a\r\n\r\n":                                              "426",
		"GET /fernmesh/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n": "426",
		"GET /fernmesh/1 HTTP/1.1\r\nHost: a\r\nUpgrade: fernmesh-relay/1\r\n\r\n":                 "426",
		"GET /fernmesh/1 HTTP/1.0\r\n" + lines + "\r\n":                                            "505",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                         "505",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "Host: b\r\n\r\n":                                 "400",
		"GET /fernmesh/1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: fernmesh-relay/1\r\n\r\n":     "400",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "Content-Length: 5\r\n\r\n":                       "400",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "Transfer-Encoding: chunked\r\n\r\n":              "400",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "a b: c\r\n\r\n":                                  "400",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + " folded: c\r\n\r\n":                              "400",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "a: b\nc: d\r\n\r\n":                              "400",
		"GET  /fernmesh/1 HTTP/1.1\r\n" + lines + "\r\n":                                           "400",
		"\x16\x03\x01\r\n\r\n": "400",
		"\r\n\r\n":             "400",
		"GET /fernmesh/1 HTTP/1.1\r\nX: " + strings.Repeat("a", 9000): "431",
	} {
		_, answer, err := ask(text)
		var refused *httpError
		if !errors.As(err, &refused) || !strings.HasPrefix(answer, "HTTP/1.1 "+status+" ") || len(answer) > 300 {
			t.Errorf("%.80q: %q, %v", text, answer, err)
		}
	}
}

// A request that ends early gets no answer.
func TestRequestThatEndsEarly(t *testing.T) {
	if _, answer, err := ask("GET /fernmesh/1 HTTP/1.1\r\n"); err != io.EOF || answer != "" {
		t.Errorf("%q, %v", answer, err)
	}
}

func FuzzUpgradeRequest(f *testing.F) {
	for _, text := range []string{
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n",
		"GET /fernmesh/1 HTTP/1.1\r\n" + lines + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", strings.Repeat("a", 9000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := &conversation{Reader: bytes.NewReader(text)}
		early, err := upgrade(c)
		answer := c.String()
		if err != nil {
			if answer == switching || strings.Contains(answer, "HTTP/1.1 101") {
				t.Fatalf("101 in spite of %v", err)
			}
			return
		}
		head, ok := bytes.CutSuffix(text, early)
		if !ok || len(head) > relay.MaxUpgrade || !bytes.HasSuffix(head, headEnd) || !bytes.HasPrefix(head, []byte("GET /fernmesh/1 HTTP/1.1\r\n")) {
			t.Fatalf("accepted %q", text)
		}
		if answer != switching {
			t.Fatalf("answered %q", answer)
		}
	})
}
