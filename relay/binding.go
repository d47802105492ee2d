package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
)

// exporterLabel is that of the keying material which binds a join to its TLS
// connection.
const exporterLabel = "EXPORTER-fernmesh-relay"

// ErrTLSVersion is returned for a TLS connection older than 1.3.
var ErrTLSVersion = errors.New("relay: TLS 1.3 is required")

// Exporter returns what JOIN and JOINED bind to of a TLS connection: section 8's
// exporter. Both ends use it, the relay only where it ends TLS itself; without
// TLS, or behind a proxy, the exporter is zero.
func Exporter(state tls.ConnectionState) (e [32]byte, err error) {
	if state.Version < tls.VersionTLS13 {
		return e, fmt.Errorf("%w, this is %s", ErrTLSVersion, tls.VersionName(state.Version))
	}
	b, err := state.ExportKeyingMaterial(exporterLabel, nil, len(e))
	if err != nil {
		return e, fmt.Errorf("relay: TLS exporter: %w", err)
	}
	return [32]byte(b), nil
}
