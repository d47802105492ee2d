package crypto

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// pythonWithFernet returns a Python that has the cryptography package.
func pythonWithFernet(t *testing.T) string {
	t.Helper()
	var causes []string
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(name, "-c", "import cryptography.fernet").CombinedOutput()
		if err == nil {
			return name
		}
		causes = append(causes, fmt.Sprintf("%s: %v %s", name, err, out))
	}
	t.Skip("no Python with the cryptography package: ", strings.Join(causes, "; "))
	return ""
}

// Each line in: a key and a token in hex. Each line out: "-", or the message in hex after "+".
const pythonOpener = `
import sys
from cryptography.fernet import Fernet, InvalidToken
import base64
for line in sys.stdin:
    key, token = line.rstrip("\n").split(" ")
    f = Fernet(base64.urlsafe_b64encode(bytes.fromhex(key)))
    try:
        print("+" + f.decrypt(bytes.fromhex(token)).hex())
    except InvalidToken:
        print("-")
`

// Each line in: a key and a message in hex. Each line out: the token.
const pythonSealer = `
import sys, base64
from cryptography.fernet import Fernet
for line in sys.stdin:
    key, plain = line.rstrip("\n").split(" ")
    print(Fernet(base64.urlsafe_b64encode(bytes.fromhex(key))).encrypt(bytes.fromhex(plain)).decode())
`

func runPython(t *testing.T, script, input string, lines int) []string {
	t.Helper()
	cmd := exec.Command(pythonWithFernet(t), "-c", script)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v", err)
	}
	var got []string
	scanner := bufio.NewScanner(strings.NewReader(string(out)))
	for scanner.Scan() {
		got = append(got, scanner.Text())
	}
	if len(got) != lines {
		t.Fatalf("python printed %d lines, want %d", len(got), lines)
	}
	return got
}

// R48: what we open, Python opens too, and reads alike; it opens all we seal.
func TestR48_PythonOpensWhatWeOpen(t *testing.T) {
	cases := 3000
	if *long {
		cases = 1_000_000
	}
	r := rand.New(rand.NewPCG(51, 0))
	var input strings.Builder
	want := make([]string, cases)
	for i := range cases {
		var key [32]byte
		seededBytes(r, key[:])
		token := seededToken(r, key)
		switch r.IntN(3) {
		case 0:
			token = SealToken(key, []byte("cold"), testTime)
		case 1:
			token = mutate(r, key, token)
		}
		if plain, _, err := NewOpener(key).Open(nil, token); err == nil {
			want[i] = "+" + hex.EncodeToString(plain)
		}
		fmt.Fprintf(&input, "%x %x\n", key, token)
	}
	opened := 0
	for i, got := range runPython(t, pythonOpener, input.String(), cases) {
		if want[i] != "" {
			opened++
			if got != want[i] {
				t.Errorf("case %d: we read %s, Python %s", i, want[i], got)
			}
		}
	}
	if opened < cases/2 {
		t.Errorf("only %d of %d tokens were good", opened, cases)
	}
	t.Logf("%d cases, %d opened by both alike", cases, opened)
}

// S4-6: tokens and keys made by Python open here.
func TestS4_06_WeOpenPythonsTokens(t *testing.T) {
	const cases = 300
	var input strings.Builder
	for n := range cases {
		fmt.Fprintf(&input, "%x %s\n", repeated[[32]byte](byte(n)), strings.Repeat("5a", n))
	}
	for n, token := range runPython(t, pythonSealer, input.String(), cases) {
		plain, sealed, err := openBoth(t, repeated[[32]byte](byte(n)), []byte(token))
		if err != nil || string(plain) != strings.Repeat("Z", n) || sealed.Before(testTime) {
			t.Errorf("message of %d bytes: %q %v %v", n, plain, sealed, err)
		}
	}
}

func TestS4_06_KeysAreExchangedWithPython(t *testing.T) {
	script := `
import sys
from cryptography.fernet import Fernet
for line in sys.stdin:
    Fernet(line.strip())
    print(Fernet.generate_key().decode())
`
	var input strings.Builder
	const keys = 50
	for range keys {
		input.WriteString(GenerateKey().Reveal() + "\n")
	}
	for _, text := range runPython(t, script, input.String(), keys) {
		k, err := ParseKey(text)
		if err != nil || k.Reveal() != text {
			t.Errorf("Python's key: %v", err)
		}
	}
}
