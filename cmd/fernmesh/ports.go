package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fernmesh/fernmesh/commands"
)

// What forward and expose share.

// How many connections "forward" and "expose" keep at once: by default, and at
// most.
const (
	defaultConnections = 256
	mostConnections    = 1024
)

// portFlags are those that forward and expose share.
type portFlags struct {
	most     int
	untilEOF bool
}

func (p *portFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&p.most, "max-connections", defaultConnections, "keep at most `N` connections at once")
	cmd.Flags().BoolVar(&p.untilEOF, "until-eof", false, "stop also when standard input ends")
}

// bounded checks the flags and runs f until a signal or the end of standard input.
func (p *portFlags) bounded(ctx context.Context, m *Main, f func(context.Context) error) error {
	if p.most < 1 || p.most > mostConnections {
		return faultf(exitUsage, fmt.Sprintf("use a number from 1 to %d", mostConnections), "--max-connections is out of range")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.untilEOF {
		m.stopAtEOF(cancel)
	}
	return f(ctx)
}

// parseListen reads [LISTEN:]PORT.
func parseListen(text string) (string, error) {
	hint := "write a port, such as 8080, or an address of this machine with it, such as 127.0.0.1:8080"
	host, port := "127.0.0.1", text
	if strings.Contains(text, ":") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", faultf(exitUsage, hint, "%q is not [LISTEN:]PORT", shorten(text))
		}
		if host == "" {
			return "", faultf(exitUsage, "0.0.0.0:"+port+" listens on all addresses, "+port+" on this machine alone", "%q names no address to listen on", shorten(text))
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", faultf(exitUsage, hint, "%q is no port", shorten(port))
	}
	return net.JoinHostPort(host, port), nil
}

// parseService reads TARGET:SERVICE; the last colon parts them.
func parseService(text string) (target, service string, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 1 || i == len(text)-1 {
		return "", "", faultf(exitUsage, "write the node and its service, such as kitchen:http", "%q is not TARGET:SERVICE", shorten(text))
	}
	return text[:i], text[i+1:], nil
}

// connectionText is what a connection's error says on its one line: without the
// addresses, and with the next step if there is one.
func connectionText(err error) string {
	var op *net.OpError
	for errors.As(err, &op) {
		err = op.Err
	}
	var e *commands.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Code.String() + ": " + e.Message // whether a command ran is not the question
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// acceptTCP takes the next connection. What a passing lack of means causes, such
// as too many open files, makes it wait and try again.
func acceptTCP(ctx context.Context, l net.Listener) (*net.TCPConn, error) {
	for {
		conn, err := l.Accept()
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if errors.Is(err, net.ErrClosed) || !pause(ctx, 50*time.Millisecond) {
			return nil, err
		}
	}
}
