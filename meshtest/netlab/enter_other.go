//go:build !linux

package netlab

// Enter runs f on the host's network, on Linux; elsewhere there is no lab.
func (h *Host) Enter(func()) {
	h.lab.t.Helper()
	h.lab.t.Fatal(Available())
}
