package crypto

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// secret is embedded in every type that holds key material, so that no verb
// of fmt, no logger and no encoder shows it.
//
// Methods do not help when fmt prints a struct that holds such a type in an
// unexported field: it then walks by reflection. It does not follow pointers
// there, save for one step when the verb does not fit ("%s" of a pointer). So
// key bytes are one pointer away in types handed out as pointers, and two in
// those handed out by value.
type secret struct{}

// String returns "[redacted]".
func (secret) String() string { return redactedText }

// GoString returns "[redacted]".
func (secret) GoString() string { return redactedText }

// Format prints "[redacted]" whatever the verb.
func (secret) Format(f fmt.State, _ rune) { printRedacted(f, redactedText) }

// LogValue returns "[redacted]" as the value a logger prints.
func (secret) LogValue() slog.Value { return slog.StringValue(redactedText) }

// MarshalText returns "[redacted]", so that encoders of JSON and the like show no secret.
func (secret) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

func printRedacted(f fmt.State, text string) {
	_, _ = io.WriteString(f, text) // fmt.State's Write cannot fail
}

// wipe overwrites b. It bounds how long a secret stays in memory that we own.
func wipe(b []byte) { clear(b) }
