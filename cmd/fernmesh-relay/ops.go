package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/fernmesh/fernmesh/relay/relayserver"
)

// ops is the server for those who run the relay. It is no part of the relay's
// own port, and by default on loopback.
type ops struct {
	http *http.Server
	done chan struct{}
}

// startOps serves /healthz at an address.
func startOps(ctx context.Context, address string, server *relayserver.Server) (*ops, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if !server.Healthy() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "not serving\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	o := &ops{done: make(chan struct{}), http: &http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 8 << 10,
	}}
	go func() {
		defer close(o.done)
		_ = o.http.Serve(l) // ends by close
	}()
	return o, nil
}

// close ends the server and waits for it. A nil one is off.
func (o *ops) close() {
	if o != nil {
		_ = o.http.Close()
		<-o.done
	}
}
