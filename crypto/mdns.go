package crypto

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// MDNSWindow is how long an mDNS label stays the same.
const MDNSWindow = 600 * time.Second

var labelEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// MDNSLabel returns the 16 characters under which a node stands in mDNS during
// one window of [MDNSWindow], counted from the Unix epoch (section 7). Without
// the key it says nothing about the node, and two windows cannot be linked.
func MDNSLabel(key [32]byte, window uint64, instance InstanceID) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, window))
	mac.Write(instance[:])
	return strings.ToLower(labelEncoding.EncodeToString(mac.Sum(nil)[:10]))
}
