//go:build nomdns

package discovery

// newMDNS returns no source: this build has no mDNS.
func newMDNS(*Service) []source { return nil }
