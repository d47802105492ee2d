package relayserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fernmesh/fernmesh/relay"
)

// httpError is the answer to a request that is no upgrade to the protocol.
type httpError struct {
	status int
	header string // a further line of the answer
}

// Error implements error.
func (e *httpError) Error() string { return "relayserver: " + http.StatusText(e.status) }

// answer is what the client gets. It does not repeat anything of the request.
func (e *httpError) answer() []byte {
	text := "This is a fernmesh relay.\n"
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		e.status, http.StatusText(e.status), e.header, len(text), text)
}

var (
	errBadRequest = &httpError{status: http.StatusBadRequest}
	errNotFound   = &httpError{status: http.StatusNotFound}
	errMethod     = &httpError{status: http.StatusMethodNotAllowed, header: "Allow: GET\r\n"}
	errNoUpgrade  = &httpError{status: http.StatusUpgradeRequired, header: "Connection: Upgrade\r\nUpgrade: " + relay.UpgradeProtocol + "\r\n"}
	errTooLarge   = &httpError{status: http.StatusRequestHeaderFieldsTooLarge}
	errVersion    = &httpError{status: http.StatusHTTPVersionNotSupported}
)

// switching is the answer to a good request.
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + relay.UpgradeProtocol + "\r\n\r\n"

var headEnd = []byte("\r\n\r\n")

// readHead reads up to the empty line that ends a request's head. What was read
// beyond it is early.
func readHead(r io.Reader) (head, early []byte, err error) {
	buf := make([]byte, 0, 1024)
	for {
		if len(buf) == cap(buf) {
			if cap(buf) >= relay.MaxUpgrade {
				return nil, nil, errTooLarge
			}
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		from := max(0, len(buf)-len(headEnd)+1)
		buf = buf[:len(buf)+n]
		if i := bytes.Index(buf[from:], headEnd); i >= 0 {
			end := from + i + len(headEnd)
			return buf[:end], buf[end:], nil
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// checkRequest judges the head of a request, the empty line included. It is
// strict: what proxies and relay could read in two ways is refused.
func checkRequest(head []byte) error {
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	if err := checkRequestLine(lines[0]); err != nil {
		return err
	}
	var hosts int
	var connection, upgrade bool
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsAny(value, "\r\n\x00") {
			return errBadRequest
		}
		switch strings.ToLower(name) {
		case "host":
			hosts++
		case "connection":
			connection = connection || hasToken(value, "upgrade")
		case "upgrade":
			upgrade = upgrade || hasToken(value, relay.UpgradeProtocol)
		case "transfer-encoding":
			return errBadRequest
		case "content-length":
			if strings.Trim(value, " \t") != "0" {
				return errBadRequest
			}
		}
	}
	if hosts != 1 {
		return errBadRequest
	}
	if !connection || !upgrade {
		return errNoUpgrade
	}
	return nil
}

func checkRequestLine(line string) error {
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || !strings.HasPrefix(parts[2], "HTTP/") {
		return errBadRequest
	}
	switch {
	case parts[2] != "HTTP/1.1":
		return errVersion
	case parts[1] != relay.Path:
		return errNotFound
	case parts[0] != http.MethodGet:
		return errMethod
	}
	return nil
}

// hasToken reports whether a list of a header has an element, in any case.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(element, " \t"), token) {
			return true
		}
	}
	return false
}

// isToken reports whether s is a name or method of HTTP.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// upgrade reads the request and answers it. What the client sent right behind it
// is early.
func upgrade(rw io.ReadWriter) (early []byte, err error) {
	head, early, err := readHead(rw)
	if err == nil {
		err = checkRequest(head)
	}
	var refused *httpError
	if errors.As(err, &refused) {
		_, _ = rw.Write(refused.answer()) // the connection ends anyway
	}
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(rw, switching)
	return early, err
}
