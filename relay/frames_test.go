package relay_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
	"github.com/fernmesh/fernmesh/relay"
)

var (
	a1 = relay.Addr{0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xaf}
	s1 = relay.SessionID{0x50, 1, 2, 3, 4, 5, 6, 0x5f}
)

const (
	a1hex = "a00102030405060708090a0b0c0d0eaf"
	s1hex = "500102030405065f"
)

func filled[T ~[32]byte](b byte) T { return T(bytes.Repeat([]byte{b}, 32)) }

// golden has each frame's bytes, and how it is read back: as the same frame.
var golden = []struct {
	name  string
	hex   string
	frame []byte
	again func(body []byte) ([]byte, error)
}{
	{
		"HELLO", "01 00000048" + strings.Repeat("11", 32) + strings.Repeat("44", 32) + "000155d0 0019 0001",
		relay.AppendHello(nil, relay.Hello{Relay: filled[relay.ID](0x11), Challenge: filled[[32]byte](0x44), MaxFrame: 87504, Ping: 25 * time.Second, Proxied: true}),
		func(b []byte) ([]byte, error) { h, err := relay.ParseHello(b); return relay.AppendHello(nil, h), err },
	},
	{
		"JOIN", "02 000000a3" + strings.Repeat("22", 32) + a1hex + strings.Repeat("33", 32) + "0011" + "72656c61792e6578616d706c653a343433" + strings.Repeat("99", 64),
		relay.AppendJoin(nil, relay.Join{Room: filled[[32]byte](0x22), Address: a1, Nonce: filled[[32]byte](0x33), Host: "relay.example:443", Signature: [64]byte(bytes.Repeat([]byte{0x99}, 64))}),
		func(b []byte) ([]byte, error) { j, err := relay.ParseJoin(b); return relay.AppendJoin(nil, j), err },
	},
	{
		"JOINED", "03 00000040" + strings.Repeat("99", 64),
		relay.AppendJoined(nil, [64]byte(bytes.Repeat([]byte{0x99}, 64))),
		func(b []byte) ([]byte, error) { s, err := relay.ParseJoined(b); return relay.AppendJoined(nil, s), err },
	},
	{
		"UP", "04 00000010" + a1hex, relay.AppendUp(nil, a1),
		func(b []byte) ([]byte, error) { a, err := relay.ParseMember(b); return relay.AppendUp(nil, a), err },
	},
	{
		"DOWN", "05 00000010" + a1hex, relay.AppendDown(nil, a1),
		func(b []byte) ([]byte, error) { a, err := relay.ParseMember(b); return relay.AppendDown(nil, a), err },
	},
	{
		"SEND", "06 0000001b" + a1hex + s1hex + "616263",
		relay.AppendSend(nil, relay.Record{Peer: a1, Session: s1, Body: []byte("abc")}),
		func(b []byte) ([]byte, error) { r, err := relay.ParseRecord(b); return relay.AppendSend(nil, r), err },
	},
	{
		"RECV", "07 0000001b" + a1hex + s1hex + "616263",
		relay.AppendRecv(nil, relay.Record{Peer: a1, Session: s1, Body: []byte("abc")}),
		func(b []byte) ([]byte, error) { r, err := relay.ParseRecord(b); return relay.AppendRecv(nil, r), err },
	},
	{
		"CAST", "08 00000003 616263", relay.AppendCast(nil, []byte("abc")),
		func(b []byte) ([]byte, error) { t, err := relay.ParseCast(b); return relay.AppendCast(nil, t), err },
	},
	{
		"CASTED", "09 00000013" + a1hex + "616263", relay.AppendCasted(nil, a1, []byte("abc")),
		func(b []byte) ([]byte, error) {
			a, t, err := relay.ParseCasted(b)
			return relay.AppendCasted(nil, a, t), err
		},
	},
	{
		"GONE", "0a 00000019" + a1hex + s1hex + "04", relay.AppendGone(nil, relay.Gone{Peer: a1, Session: s1, Code: relay.GoneOverflow}),
		func(b []byte) ([]byte, error) { g, err := relay.ParseGone(b); return relay.AppendGone(nil, g), err },
	},
	{
		"PING", "0b 00000008 0102030405060708", relay.AppendPing(nil, relay.Echo{1, 2, 3, 4, 5, 6, 7, 8}),
		func(b []byte) ([]byte, error) { e, err := relay.ParseEcho(b); return relay.AppendPing(nil, e), err },
	},
	{
		"PONG", "0c 00000008 0102030405060708", relay.AppendPong(nil, relay.Echo{1, 2, 3, 4, 5, 6, 7, 8}),
		func(b []byte) ([]byte, error) { e, err := relay.ParseEcho(b); return relay.AppendPong(nil, e), err },
	},
	{
		"DRAIN", "0d 00000004 00000bb8", relay.AppendDrain(nil, 3*time.Second),
		func(b []byte) ([]byte, error) { d, err := relay.ParseDrain(b); return relay.AppendDrain(nil, d), err },
	},
	{
		"ERROR", "0e 0000000a 0003 000005dc 6279650a", relay.AppendError(nil, &relay.RefusedError{Code: relay.RefusedTaken, RetryAfter: 1500 * time.Millisecond, Text: "bye\n"}),
		func(b []byte) ([]byte, error) {
			e, err := relay.ParseError(b)
			if err != nil {
				return nil, err
			}
			return relay.AppendError(nil, e), nil
		},
	},
}

func TestFramesHaveTheirGoldenBytes(t *testing.T) {
	for _, g := range golden {
		want, err := hex.DecodeString(strings.ReplaceAll(g.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.frame, want) {
			t.Errorf("%s:\ngot  %x\nwant %x", g.name, g.frame, want)
		}
		again, err := g.again(want[relay.HeaderLen:])
		if err != nil || !bytes.Equal(again, want) {
			t.Errorf("%s is read back as %x, %v", g.name, again, err)
		}
		if got := relay.FrameType(want[0]).String(); got != g.name {
			t.Errorf("type %#x is called %s, want %s", want[0], got, g.name)
		}
	}
}

func TestParseRefusesOtherLengths(t *testing.T) {
	for _, g := range golden {
		body := g.frame[relay.HeaderLen:]
		for n := range len(body) {
			_, err := g.again(body[:n])
			variable := g.name == "CAST" && n >= 1 || (g.name == "SEND" || g.name == "RECV") && n >= 25 ||
				g.name == "CASTED" && n >= 17 || g.name == "ERROR" && n >= 6
			if !variable && !errors.Is(err, relay.ErrMalformed) {
				t.Errorf("%s of %d bytes: %v", g.name, n, err)
			}
		}
		if _, err := g.again(append(bytes.Clone(body), make([]byte, 90_000)...)); !errors.Is(err, relay.ErrMalformed) {
			t.Errorf("%s with 90,000 bytes more: %v", g.name, err)
		}
	}
}

func TestJoinHostLengthMustFit(t *testing.T) {
	body := relay.AppendJoin(nil, relay.Join{Host: "relay.example:443"})[relay.HeaderLen:]
	for _, n := range []byte{0, 16, 18, 255} {
		bad := bytes.Clone(body)
		bad[81] = n
		if _, err := relay.ParseJoin(bad); !errors.Is(err, relay.ErrMalformed) {
			t.Errorf("host length %d in place of 17: %v", n, err)
		}
	}
}

// The join of the known answers: what goes over the wire is what was signed.
func TestJoinMatchesKnownAnswers(t *testing.T) {
	text, err := os.ReadFile("testdata/join.json")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	b := func(name string) []byte {
		b, err := hex.DecodeString(v[name])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p := crypto.RoomProof{
		RelayID: [32]byte(b("relay_id")), Challenge: [32]byte(b("challenge")), Nonce: [32]byte(b("nonce")),
		Address: [16]byte(b("address")), Host: v["host"], Exporter: [32]byte(b("exporter")),
	}
	key, err := crypto.ParseKey(v["network_key"])
	if err != nil {
		t.Fatal(err)
	}
	room := crypto.Derive(key, v["network_name"]).Room(p.RelayID)
	frame := relay.AppendJoin(nil, relay.Join{
		Room: room.ID(), Address: relay.Addr(p.Address), Nonce: p.Nonce, Host: p.Host, Signature: room.SignJoin(p),
	})
	want := "02000000a3" + v["room_id"] + v["address"] + v["nonce"] + "0011" + hex.EncodeToString([]byte(v["host"])) + v["join_signature"]
	if got := hex.EncodeToString(frame); got != want {
		t.Errorf("JOIN\ngot  %s\nwant %s", got, want)
	}
	if !p.VerifyJoined(room.ID(), [64]byte(b("joined_signature"))) {
		t.Error("the known JOINED does not verify")
	}
}

func TestDurationsFromTheWireAreClamped(t *testing.T) {
	body := []byte{0xff, 0xff, 0xff, 0xff}
	if d, err := relay.ParseDrain(body); err != nil || d != 30*24*time.Hour {
		t.Errorf("DRAIN: %v, %v", d, err)
	}
	if got := relay.AppendDrain(nil, -time.Second); !bytes.Equal(got[5:], make([]byte, 4)) {
		t.Errorf("a negative duration is sent as %x", got[5:])
	}
}

func TestErrorTextIsCutAndQuoted(t *testing.T) {
	frame := relay.AppendError(nil, &relay.RefusedError{Code: relay.RefusedFull, Text: strings.Repeat("x", 5000)})
	e, err := relay.ParseError(frame[relay.HeaderLen:])
	if err != nil || len(e.Text) != relay.MaxText {
		t.Errorf("text of %d bytes, %v", len(e.Text), err)
	}
	e.Text = "\x1b[2J"
	if strings.ContainsRune(e.Error(), 0x1b) {
		t.Errorf("%q has a control character", e.Error())
	}
}

func TestCodesHaveNames(t *testing.T) {
	for c := relay.RefusedProof; c <= relay.RefusedDraining; c++ {
		if strings.HasPrefix(c.String(), "error") {
			t.Errorf("code %d has no name", c)
		}
	}
	for c := relay.GoneClosed; c <= relay.GoneOverflow; c++ {
		if strings.HasPrefix(c.String(), "code") {
			t.Errorf("code %d has no name", c)
		}
	}
	if relay.ErrorCode(99).String() != "error 99" || relay.GoneCode(0).String() != "code 0" || relay.FrameType(0x77).String() != "frame 0x77" {
		t.Error("unknown codes are not shown by number")
	}
}
