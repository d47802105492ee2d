// Package netlab builds networks of real Linux network namespaces, for tests
// of the kernel's own network stack. Package meshtest, in memory and under
// virtual time, is the first choice; netlab is for what only a kernel can tell,
// and for running whole programs on several "machines".
//
// # Start here
//
//	lab := netlab.New(t) // skips the test, with the cause, where it cannot run
//	lan := lab.Bridge("10.77.0.0/24", "fd77::/64")
//	a, b := lab.Host("a", lan), lab.Host("b", lan)
//	lab.WaitUsable()
//	cmd := a.Command(ctx, "fernmesh", "peers")
//	lab.Partition(a, b)
//
// It needs root, the ip command of iproute2, and nft; see [Available]. The
// namespaces are named fm-<random>-<host>, nothing is made outside of them,
// and they go away, with all processes inside, when the test ends, also when
// it fails. A test process killed by force leaves its namespaces behind.
//
// Methods are for the test's own goroutine: a step that fails ends the test.
package netlab
