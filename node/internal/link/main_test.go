package link_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// long runs the full number of cases where a test has many.
var long = flag.Bool("fernmesh.long", false, "run all seeded cases of long tests")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
