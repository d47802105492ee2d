package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// golden says how one message is written, and that it is read back the same.
type golden struct {
	name  string
	body  []byte // as appended
	want  string // hex
	parse func([]byte) (any, error)
	value any
}

func parser[T any](f func([]byte) (T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) { return f(b) }
}

func goldens() []golden {
	call := Call{
		Number: 1, ID: CallID{[8]byte{1, 2, 3, 4, 5, 6, 7, 8}, 9}, Path: "a.b",
		Remaining: 5 * time.Second, Flags: CallIdempotent | CallRepeat,
		Args: unhex("91 01"), Kwargs: unhex("81 a161 02"), Trace: unhex("a174"),
	}
	fail := Fail{
		Number: 2, Code: 5, Message: "no", Executed: ExecutedYes, Where: WhereHandler,
		RetryAfter: 300 * time.Millisecond, Details: unhex("80"),
	}
	relay := Relay{Address: "r:1", ID: [32]byte{31: 7}, Seen: 90 * time.Second}
	status := Status{
		Revision: 7, Services: []Service{{"lamp", true}, {"heat", false}}, Tags: []string{"up"}, Draining: true,
	}
	return []golden{
		{"CALL", AppendCall(nil, call), "0000000000000001 97 c410 0102030405060708 0000000000000009 a3612e62 cd1388 03 91 01 81a16102 a174", parser(ParseCall), call},
		{"REPLY", AppendReply(nil, Reply{3, unhex("92 c0 c3")}), "0000000000000003 92c0c3", parser(ParseReply), Reply{3, unhex("92 c0 c3")}},
		{"REPLY of nothing", AppendReply(nil, Reply{Number: 3}), "0000000000000003 c0", parser(ParseReply), Reply{3, unhex("c0")}},
		{"FAIL", AppendFail(nil, fail), "0000000000000002 96 05 a26e6f 02 05 cd012c 80", parser(ParseFail), fail},
		{"CANCEL", AppendCancel(nil, Cancel{4, CancelSilent}), "0000000000000004 01", parser(ParseCancel), Cancel{4, CancelSilent}},
		{"CHUNK", append(AppendChunkHeader(nil, 5, ChunkEnd|ChunkReply), "xy"...), "0000000000000005 09 7879", parser(ParseChunk), Chunk{5, ChunkEnd | ChunkReply, []byte("xy")}},
		{"CREDIT", AppendCredit(nil, Credit{6, CallCredit}), "0000000000000006 00040000", parser(ParseCredit), Credit{6, CallCredit}},
		{"CREDIT of the link", AppendCredit(nil, Credit{0, 1}), "0000000000000000 00000001", parser(ParseCredit), Credit{0, 1}},
		{"BYE", AppendBye(nil, Bye{ByeDraining, 1500 * time.Millisecond, "later"}), "0005 000005dc 6c61746572", parser(ParseBye), Bye{ByeDraining, 1500 * time.Millisecond, "later"}},
		{"PING", unhex("0102030405060708"), "0102030405060708", parser(ParseEcho), Echo{1, 2, 3, 4, 5, 6, 7, 8}},
		{"GOSSIP", AppendGossip(nil, []Relay{relay}), "91 93 a3723a31 c420 00000000000000000000000000000000000000000000000000000000000000 07 5a", parser(ParseGossip), []Relay{relay}},
		{"STATUS", AppendStatus(nil, status), "95 07 91 a46c616d70 91 a468656174 91 a27570 01", parser(ParseStatus), status},
		{"STATUS in brief", AppendStatus(nil, status.InBrief()), "95 07 90 90 90 03", parser(ParseStatus), status.InBrief()},
	}
}

func TestMessagesGolden(t *testing.T) {
	for _, g := range goldens() {
		if want := strings.ReplaceAll(g.want, " ", ""); hex.EncodeToString(g.body) != want {
			t.Errorf("%s\ngot  %x\nwant %s", g.name, g.body, want)
		}
		got, err := g.parse(unhex(g.want))
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		if diff := cmp.Diff(g.value, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", g.name, diff)
		}
	}
}

func TestMessagesCutShortAreRefused(t *testing.T) {
	for _, g := range goldens() {
		least := 0
		switch {
		case g.name == "CHUNK": // its bytes may be fewer
			least = ChunkHeader
		case g.name == "BYE": // so may its text
			least = byeHeader
		default:
			least = len(g.body)
		}
		for n := range least {
			_, err := g.parse(g.body[:n])
			var malformed *MalformedError
			var guard *GuardError
			if !errors.As(err, &malformed) && !errors.As(err, &guard) {
				t.Errorf("%s of %d bytes: %v, want it refused", g.name, n, err)
			}
		}
	}
}

// numbered is that many texts of one character, encoded.
func numbered(n int) (hex string) {
	for i := range n {
		hex += fmt.Sprintf("a1%02x", 0x60+i)
	}
	return hex
}

func TestMessagesThatAreRefused(t *testing.T) {
	const id = "c410 00000000000000000000000000000000"
	for name, c := range map[string]struct {
		parse func([]byte) (any, error)
		body  string
	}{
		"call number 0":          {parser(ParseCall), "0000000000000000 97" + id + "a161 00 00 90 80 c0"},
		"CALL not an array":      {parser(ParseCall), "0000000000000001 80"},
		"CALL of six":            {parser(ParseCall), "0000000000000001 96" + id + "a161 00 00 90 80"},
		"call id of 15":          {parser(ParseCall), "0000000000000001 97 c40f 000000000000000000000000000000 a161 00 00 90 80 c0"},
		"call id as text":        {parser(ParseCall), "0000000000000001 97 a0 a161 00 00 90 80 c0"},
		"path as bytes":          {parser(ParseCall), "0000000000000001 97" + id + "c40161 00 00 90 80 c0"},
		"negative time":          {parser(ParseCall), "0000000000000001 97" + id + "a161 ff 00 90 80 c0"},
		"flags above a byte":     {parser(ParseCall), "0000000000000001 97" + id + "a161 00 cd0100 90 80 c0"},
		"arguments as map":       {parser(ParseCall), "0000000000000001 97" + id + "a161 00 00 80 80 c0"},
		"named as array":         {parser(ParseCall), "0000000000000001 97" + id + "a161 00 00 90 90 c0"},
		"arguments twice named":  {parser(ParseCall), "0000000000000001 97" + id + "a161 00 00 90 82 a161 01 a161 02 c0"},
		"trailing byte":          {parser(ParseCall), "0000000000000001 97" + id + "a161 00 00 90 80 c0 00"},
		"REPLY of two values":    {parser(ParseReply), "0000000000000001 c0 c0"},
		"REPLY of a bomb":        {parser(ParseReply), "0000000000000001 dd ffffffff"},
		"FAIL with list details": {parser(ParseFail), "0000000000000001 96 05 a0 00 00 00 90"},
		"FAIL code above u32":    {parser(ParseFail), "0000000000000001 96 cf0000000100000000 a0 00 00 00 80"},
		"CANCEL mode 2":          {parser(ParseCancel), "0000000000000001 02"},
		"CANCEL too long":        {parser(ParseCancel), "0000000000000001 01 00"},
		"CHUNK of two messages":  {parser(ParseChunk), "0000000000000001 0c 00"},
		"CHUNK of number 0":      {parser(ParseChunk), "0000000000000000 08 00"},
		"CREDIT too long":        {parser(ParseCredit), "0000000000000001 00000001 00"},
		"PING of nine":           {parser(ParseEcho), "000000000000000000"},
		"GOSSIP with short id":   {parser(ParseGossip), "91 93 a161 c401 00 00"},
		"GOSSIP of text":         {parser(ParseGossip), "91 a161"},
		"STATUS of revision 0":   {parser(ParseStatus), "95 00 90 90 90 00"},
		"STATUS of four":         {parser(ParseStatus), "94 01 90 90 90"},
		"STATUS of a text":       {parser(ParseStatus), "95 01 a161 90 90 00"},
		"service twice":          {parser(ParseStatus), "95 01 92 a161 a161 90 90 00"},
		"ready and not":          {parser(ParseStatus), "95 01 91 a161 91 a161 90 00"},
		"service without a name": {parser(ParseStatus), "95 01 91 a0 90 90 00"},
		"service with a comma":   {parser(ParseStatus), "95 01 91 a3612c62 90 90 00"},
		"tag with a control":     {parser(ParseStatus), "95 01 90 90 91 a11b 00"},
		"33 services":            {parser(ParseStatus), "95 01 dc0021" + numbered(33) + "90 90 00"},
		"17 and 16 services":     {parser(ParseStatus), "95 01 dc0011" + numbered(17) + "dc0010" + strings.ReplaceAll(numbered(16), "a16", "a15") + "90 00"},
		"STATUS of 600 bytes":    {parser(ParseStatus), "96 01 90 90 90 00 da0258" + strings.Repeat("61", 600)},
	} {
		if v, err := c.parse(unhex(c.body)); err == nil {
			t.Errorf("%s: read as %+v", name, v)
		}
	}
}

func TestWhatALaterVersionMayAddIsIgnored(t *testing.T) {
	call, err := ParseCall(unhex("0000000000000001 99 c410 00000000000000000000000000000001 a161 00 ccfc 90 80 c0 a3616464 81 a161 01"))
	if err != nil || call.Path != "a" || call.ID.Counter != 1 || call.Flags != 0xfc {
		t.Errorf("CALL with nine elements and new flags: %+v, %v", call, err)
	}
	fail, err := ParseFail(unhex("0000000000000001 97 13 a0 07 63 00 c0 c0"))
	if err != nil || fail.Code != 19 || fail.Executed != ExecutedMaybe || fail.Where != 99 || fail.Details != nil {
		t.Errorf("FAIL with new numbers: %+v, %v", fail, err)
	}
	chunk, err := ParseChunk(unhex("0000000000000001 e9 00"))
	if err != nil || chunk.Flags != ChunkEnd|ChunkReply {
		t.Errorf("CHUNK with new flags: %+v, %v", chunk, err)
	}
	bye, err := ParseBye(unhex("00ff 00000000"))
	if err != nil || bye.Code.String() != "code 255" {
		t.Errorf("BYE with a new code: %+v, %v", bye, err)
	}
	status, err := ParseStatus(unhex("96 01 90 90 90 ccfc c0"))
	if err != nil || status.Revision != 1 || status.Draining || status.Brief {
		t.Errorf("STATUS with six elements and new flags: %+v, %v", status, err)
	}
	relays, err := ParseGossip(unhex("91 94 a161 c420" + strings.Repeat("00", 32) + "00 c0"))
	if err != nil || len(relays) != 1 {
		t.Errorf("GOSSIP with four elements: %+v, %v", relays, err)
	}
}

func TestNilArgumentsAreEmptyOnes(t *testing.T) {
	body := AppendCall(nil, Call{Number: 1, Path: "a"})
	call, err := ParseCall(body)
	if err != nil || string(call.Args) != "\x90" || string(call.Kwargs) != "\x80" || call.Trace != nil {
		t.Errorf("%+v, %v", call, err)
	}
	body = unhex("97 c410 00000000000000000000000000000000 a161 00 00 c0 c0 c0")
	call, err = ParseCallBody(body)
	if err != nil || string(call.Args) != "\x90" || string(call.Kwargs) != "\x80" {
		t.Errorf("written as nil: %+v, %v", call, err)
	}
}

func TestDurationsAreClampedAndNeverBecomeNone(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		-time.Second:         0,
		0:                    0,
		1:                    time.Millisecond,
		time.Millisecond:     time.Millisecond,
		time.Millisecond + 1: 2 * time.Millisecond,
		1<<63 - 1:            MaxDuration,
	} {
		c, err := ParseCallBody(AppendCallBody(nil, Call{Remaining: in}))
		if err != nil || c.Remaining != want {
			t.Errorf("%v: arrived as %v, %v; want %v", in, c.Remaining, err, want)
		}
	}
	c, err := ParseCallBody(unhex("97 c410 00000000000000000000000000000000 a0 cfffffffffffffffff 00 90 80 c0"))
	if err != nil || c.Remaining != MaxDuration {
		t.Errorf("2^64-1 ms: %v, %v; want %v", c.Remaining, err, MaxDuration)
	}
	bye, err := ParseBye(AppendBye(nil, Bye{ComeBackAfter: 1<<63 - 1}))
	if err != nil || bye.ComeBackAfter != MaxDuration {
		t.Errorf("BYE: %v, %v; want %v", bye.ComeBackAfter, err, MaxDuration)
	}
	relays, err := ParseGossip(unhex("91 93 a161 c420" + strings.Repeat("00", 32) + "cfffffffffffffffff"))
	if err != nil || relays[0].Seen != MaxDuration {
		t.Errorf("GOSSIP: %v, %v; want %v", relays, err, MaxDuration)
	}
}

func TestByeTextIsCutAtACharacter(t *testing.T) {
	bye, err := ParseBye(AppendBye(nil, Bye{Text: strings.Repeat("ü", MaxText) + "x"}))
	if err != nil || bye.Text != strings.Repeat("ü", MaxText/2) {
		t.Errorf("%d bytes, %v", len(bye.Text), err)
	}
	bye, err = ParseBye(append(AppendBye(nil, Bye{}), "ab\xff"+strings.Repeat("€", MaxText)...))
	if err != nil || len(bye.Text) > MaxText || !strings.HasPrefix(bye.Text, "ab\uFFFD€") || !strings.HasSuffix(bye.Text, "€") {
		t.Errorf("%d bytes, %v", len(bye.Text), err)
	}
}

func TestGossipIsCut(t *testing.T) {
	relays, err := ParseGossip(AppendGossip(nil, make([]Relay, MaxGossip+1)))
	if err != nil || len(relays) != MaxGossip {
		t.Errorf("%d relays, %v; want %d", len(relays), err, MaxGossip)
	}
}

func TestTextsOfNumbers(t *testing.T) {
	for got, want := range map[string]string{
		TypeByeAck.String():                       "BYE-ACK",
		Type(0x99).String():                       "type 0x99",
		ByeReplaced.String():                      "replaced",
		GuardDepth.String():                       "nested too deep",
		GuardReason(99).String():                  "reason 99",
		CallID{[8]byte{0xab}, 1}.String():         "ab000000000000000000000000000001",
		(&GuardError{GuardTrailing, 3}).Error():   "wire: msgpack value refused: trailing bytes at byte 3",
		(&MalformedError{"CALL", "path"}).Error(): "wire: malformed CALL: path",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// fuzzMessage fuzzes a parser: what it accepts is written and read back the same.
func fuzzMessage[T any](f *testing.F, parse func([]byte) (T, error), write func(T) []byte) {
	for _, g := range goldens() {
		f.Add(g.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := parse(body)
		if err != nil {
			return
		}
		again, err := parse(write(v))
		if err != nil {
			t.Fatalf("%+v does not parse again: %v", v, err)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatalf("came back different:\n%s", diff)
		}
	})
}

func FuzzParseCall(f *testing.F) {
	fuzzMessage(f, ParseCall, func(c Call) []byte { return AppendCall(nil, c) })
}

func FuzzParseReply(f *testing.F) {
	fuzzMessage(f, ParseReply, func(r Reply) []byte { return AppendReply(nil, r) })
}

func FuzzParseFail(f *testing.F) {
	fuzzMessage(f, ParseFail, func(v Fail) []byte { return AppendFail(nil, v) })
}

func FuzzParseCancel(f *testing.F) {
	fuzzMessage(f, ParseCancel, func(c Cancel) []byte { return AppendCancel(nil, c) })
}

func FuzzParseChunk(f *testing.F) {
	fuzzMessage(f, ParseChunk, func(c Chunk) []byte {
		return append(AppendChunkHeader(nil, c.Number, c.Flags), c.Bytes...)
	})
}

func FuzzParseCredit(f *testing.F) {
	fuzzMessage(f, ParseCredit, func(c Credit) []byte { return AppendCredit(nil, c) })
}

func FuzzParseBye(f *testing.F) {
	fuzzMessage(f, ParseBye, func(b Bye) []byte { return AppendBye(nil, b) })
}

func FuzzParseStatus(f *testing.F) {
	fuzzMessage(f, ParseStatus, func(s Status) []byte { return AppendStatus(nil, s) })
}

func TestStatusState(t *testing.T) {
	s := Status{Services: []Service{{"lamp", true}, {"heat", false}}}
	for service, want := range map[string][2]bool{"lamp": {true, true}, "heat": {true, false}, "none": {}} {
		if offered, ready := s.State(service); offered != want[0] || ready != want[1] {
			t.Errorf("%s: offered %v, ready %v", service, offered, ready)
		}
	}
	s.Draining = true
	if _, ready := s.State("lamp"); ready {
		t.Error("a node that drains is ready")
	}
	if n := s.Size(); n != 10 {
		t.Errorf("size %d, want 10", n)
	}
}

func FuzzParseGossip(f *testing.F) {
	fuzzMessage(f, ParseGossip, func(r []Relay) []byte { return AppendGossip(nil, r) })
}
