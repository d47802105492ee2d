package crypto

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// spellings are the forms in which a leaked byte string would show.
func spellings(b []byte) []string {
	part := b[8:16] // a part is a leak too
	return []string{
		fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprintf("% x", part), fmt.Sprintf("%#v", part)[7:20],
		strings.Trim(fmt.Sprint(part), "[]"), strings.ReplaceAll(strings.Trim(fmt.Sprint(part), "[]"), " ", ","), string(part),
		strings.Trim(fmt.Sprintf("%o", part), "[]"), strings.Trim(fmt.Sprintf("%b", part), "[]"),
		newKey((*[32]byte)(b)).Reveal()[:20],
		hex.EncodeToString(part),
	}
}

// R39: keys do not leave through fmt, slog or an encoder, also not from
// within a struct, where reflection walks past the methods of unexported fields.
func TestR39_SecretsRedactThemselves(t *testing.T) {
	key := GenerateKey()
	s := Derive(key, "home")
	id := NewIdentity()
	in, _, err := NewInitiator(s, TransportLAN, nil, testOffer)
	if err != nil {
		t.Fatal(err)
	}
	secrets, _ := bulkPair(t)
	fernetKey, bulkKey := secrets.send.chain.fernetKey(), secrets.send.chain.bulkKey()
	room := s.Room([32]byte{})
	hidden := map[string][]byte{
		"key": key.raw()[:], "prk": s.prk[:], "psk": s.psk[:], "advert": s.advertKey[:], "seed": id.key.Seed(),
		"room": room.key.Seed(), "chain": secrets.send.chain.key[:], "fernet": fernetKey[:], "bulk": bulkKey[:], "exporter": secrets.exporter[:],
		"ephemeral": in.state.LocalEphemeral().Private,
	}
	type around struct {
		inner any
		Outer any
	}
	type config struct {
		key  Key
		ring KeyRing
		ptr  *Key
	}
	values := []any{
		key, &key, Ring(key, GenerateKey()), s, *s, id, *id, in, *in, secrets, *secrets, secrets.Send(), *secrets.Send(), secrets.Receive(),
		room, *room, NewSealer(fernetKey), NewOpener(fernetKey),
		config{key, Ring(key), &key}, &config{key, Ring(key), &key}, []Key{key}, map[string]Key{"k": key},
	}
	for _, v := range values {
		for _, v := range []any{v, around{Outer: v}, &around{Outer: v}} {
			checkShowsNothing(t, v, hidden)
		}
	}
	// What reflection alone sees of a value in an unexported field.
	for _, v := range []any{key, Ring(key), s, id, in, secrets, secrets.Send(), room} {
		checkShowsNothing(t, around{inner: v}, hidden)
	}
}

func checkShowsNothing(t *testing.T, v any, hidden map[string][]byte) {
	t.Helper()
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t"} {
		shown = append(shown, fmt.Sprintf(verb, v))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	shown = append(shown, log.String())
	if text, err := json.Marshal(v); err == nil {
		shown = append(shown, string(text))
	}
	for what, b := range hidden {
		for _, text := range shown {
			for _, spelling := range spellings(b) {
				if strings.Contains(text, spelling) {
					t.Fatalf("%T shows the %s: %s", v, what, text)
				}
			}
		}
	}
}

func TestR39_KeysPrintAsFingerprint(t *testing.T) {
	k := mustParseKey(t, specKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != k.String() {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if got := k.String(); len(got) != len("fernet:")+4 || !strings.HasPrefix(got, "fernet:") {
		t.Errorf("%s", got)
	}
	text, err := json.Marshal(map[string]any{"k": k, "r": Ring(k)})
	if want := fmt.Sprintf(`{"k":"%s","r":"ring[%s]"}`, k, k); err != nil || string(text) != want {
		t.Errorf("%s %v", text, err)
	}
}
