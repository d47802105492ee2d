package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

// throughDial fetches a page of an HTTP server that knows nothing of the mesh:
// the client connects by Dial to a process of "fernmesh expose", which connects
// to the server.
func (d *demo) throughDial(ctx context.Context, target string) (outcome, error) {
	const page = "fresh fish today"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return outcome{}, err
	}
	server := &http.Server{
		ReadHeaderTimeout: demoTime,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }),
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }() // ends by Close
	defer func() { _ = server.Close(); <-served }()
	if err := d.expose(ctx, target, "http", l.Addr().String()); err != nil {
		return outcome{}, err
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.node.Dial(ctx, target, "http") },
		DisableKeepAlives: true,
	}}
	start := time.Now()
	got, err := fetch(ctx, client, "http://"+target+"/")
	if err != nil {
		return outcome{}, err
	}
	o := outcome{fmt.Sprintf("%q", got), d.pathTo(target), time.Since(start)}
	if got != page {
		return o, errors.New("expected another page")
	}
	return o, nil
}

// expose starts a process that offers a TCP address as a service.
func (d *demo) expose(ctx context.Context, name, service, address string) error {
	c, err := startChild("expose", "--config", filepath.Join(d.dir, "config.toml"), "--network", demoNetwork,
		"--name", name, "--key-file", d.keyFile, "--state-dir", filepath.Join(d.dir, "state"), "--output", "json", "--until-eof",
		"--interface", d.loopback, "--advert-port", fmt.Sprint(d.advertPort), service, address)
	if err != nil {
		return err
	}
	d.children = append(d.children, c)
	return c.waitReady(ctx)
}

// fetch returns the text of a page.
func fetch(ctx context.Context, client *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
