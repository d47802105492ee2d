package relayserver_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var long = flag.Bool("fernmesh.long", false, "run the longer programmes too")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
