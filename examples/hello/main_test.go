package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestHello(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := hello(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if want := "hello garden, this is the kitchen\n"; out.String() != want {
		t.Errorf("it printed %q, want %q", out.String(), want)
	}
}
