package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestSensors(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := sensors(ctx, &out); err != nil {
		t.Fatal(err)
	}
	want := "attic   31.5 °C\ncellar  UNKNOWN: the wire is cut (did run)\ngarden  17.0 °C\n"
	if out.String() != want {
		t.Errorf("it printed\n%s\nwant\n%s", out.String(), want)
	}
}
