package wire

import "testing"

func TestFlagsOfACallThatIsNotWhole(t *testing.T) {
	whole := AppendCallBody(nil, Call{Path: "a.b", Remaining: 1 << 40, Flags: CallStream | CallRepeat, Args: []byte{codeFixArray}})
	known := 0
	for n := range len(whole) + 1 {
		flags, ok := PeekCallFlags(whole[:n])
		if ok {
			known++
		}
		if ok && flags != CallStream|CallRepeat {
			t.Errorf("flags %d in the first %d bytes", flags, n)
		}
	}
	if known != 4 { // with the flags, and the three values behind them
		t.Errorf("the flags are known from %d beginnings", known)
	}
	for _, b := range [][]byte{{}, {0xc0}, {0x97, 0xc0}, append([]byte{0x81}, whole[1:]...)} {
		if flags, ok := PeekCallFlags(b); ok {
			t.Errorf("flags %d in %x", flags, b)
		}
	}
}
