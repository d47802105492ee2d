// Compare measures fernmesh beside other ways to call, to relay and to start,
// each in processes of its own on this machine, in one run. It prints tables in
// Markdown and writes JSON, Markdown and a chart on demand.
//
//	go run ./cmd/compare -json compare.json -svg compare.svg
//	go run ./cmd/compare -rounds 3 -only fernmesh,grpc -cells 64x1,64x64
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/fernmesh/fernmesh/bench/internal/contest"
)

func main() {
	contest.Main(sections()...) // plays its part and ends here if this is a process of a contest
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := compare(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}
