package relay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// The HTTP/1.1 request that a connection begins with, so that it passes reverse
// proxies: GET Path with "Connection: Upgrade" and "Upgrade: UpgradeProtocol".
// The relay answers 101 with the same two headers, and frames follow.
const (
	Path            = "/fernmesh/1"
	UpgradeProtocol = "fernmesh-relay/1"
	// MaxUpgrade is the most bytes of a request's or an answer's head.
	MaxUpgrade = 8 << 10
)

// UpgradeError is returned when what answers at a relay's address did not
// upgrade the connection to the relay's protocol.
type UpgradeError struct {
	Status   int    // of the HTTP answer; 0 if it was none
	Location string // where a redirect points; it is never followed
	Reason   string
	Hint     string // what to do about it; may be empty
}

// Error implements error.
func (e *UpgradeError) Error() string {
	text := "relay: no relay here: " + e.Reason
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// appendUpgrade appends the request. The host goes without the port where it is
// the default one, and without an IPv6 zone, as HTTP wants it.
func appendUpgrade(dst []byte, a Address) []byte {
	host := a.Authority
	if a.TLS {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	if address, zone, ok := strings.Cut(host, "%"); ok {
		host = address + zone[strings.IndexByte(zone, ']'):]
	}
	return fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n",
		Path, host, UpgradeProtocol)
}

// readUpgrade reads the answer and checks it. It returns what it has read
// beyond it, which is the beginning of the frames.
func readUpgrade(r io.Reader) (rest []byte, err error) {
	head, rest, err := readHead(r)
	if err != nil {
		return nil, err
	}
	lines := textproto.NewReader(bufio.NewReader(bytes.NewReader(head)))
	first, err := lines.ReadLine()
	if err != nil {
		return nil, notHTTP()
	}
	status, ok := parseStatus(first)
	if !ok {
		return nil, notHTTP()
	}
	header, err := lines.ReadMIMEHeader()
	if err != nil {
		return nil, &UpgradeError{Status: status, Reason: "the headers of the HTTP answer cannot be read"}
	}
	if status != 101 {
		return nil, refusedUpgrade(status, header)
	}
	if !hasToken(header["Connection"], "upgrade") || !hasToken(header["Upgrade"], UpgradeProtocol) {
		return nil, &UpgradeError{Status: status, Reason: "the server switched to a protocol other than " + UpgradeProtocol}
	}
	return rest, nil
}

// readHead reads until the empty line that ends a head, at most MaxUpgrade bytes.
func readHead(r io.Reader) (head, rest []byte, err error) {
	buf := make([]byte, MaxUpgrade)
	n := 0
	for n < len(buf) {
		got, err := r.Read(buf[n:])
		n += got
		if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); i >= 0 {
			return buf[:i+4], buf[i+4 : n], nil
		}
		if err := checkStart(buf[:n]); err != nil {
			return nil, nil, err
		}
		if errors.Is(err, io.EOF) {
			return nil, nil, &UpgradeError{Reason: "the connection was closed without an HTTP answer"}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, &UpgradeError{Reason: fmt.Sprintf("the head of the answer is over %d bytes", MaxUpgrade)}
}

// checkStart fails as soon as the first bytes are not those of HTTP/1.
func checkStart(b []byte) error {
	const want = "HTTP/1."
	if n := min(len(b), len(want)); string(b[:n]) == want[:n] {
		return nil
	}
	if b[0] == 0x15 { // a TLS alert
		return &UpgradeError{Reason: "the server speaks TLS", Hint: "write the address with https://"}
	}
	return notHTTP()
}

func notHTTP() error {
	return &UpgradeError{Reason: "what answered is not an HTTP/1.1 server"}
}

// parseStatus reads "HTTP/1.1 101 Switching Protocols".
func parseStatus(line string) (int, bool) {
	version, after, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(after, " ")
	n, err := strconv.ParseUint(code, 10, 16)
	return int(n), err == nil && len(code) == 3 && (version == "HTTP/1.1" || version == "HTTP/1.0")
}

// refusedUpgrade says what an answer other than 101 means.
func refusedUpgrade(status int, header textproto.MIMEHeader) error {
	e := &UpgradeError{Status: status, Reason: fmt.Sprintf("the server answered HTTP %d to GET %s", status, Path)}
	switch {
	case status >= 300 && status < 400:
		e.Location = header.Get("Location")
		e.Reason += fmt.Sprintf(", a redirect to %q, which is never followed", e.Location)
		e.Hint = "if that is the relay, configure its address"
	case status == 400:
		e.Hint = "a server that wants TLS answers so: try https://"
	case status == 404:
		e.Hint = "it is a web server, not a relay, or a proxy that does not pass this path"
	case status == 426:
		e.Hint = "a proxy before the relay has to pass the Connection and Upgrade headers"
	case status == 429, status >= 500:
		e.Hint = "the relay or a proxy before it is overloaded or down"
	}
	return e
}

// hasToken looks for a token in the comma-separated values of a header.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for field := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(field), token) {
				return true
			}
		}
	}
	return false
}
