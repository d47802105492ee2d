package relayserver_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

// instead is what this binary does in place of tests, if anything.
var instead = func() bool { return false }

func TestMain(m *testing.M) {
	if !instead() {
		goleak.VerifyTestMain(m)
	}
	os.Exit(0)
}
