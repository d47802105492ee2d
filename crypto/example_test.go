package crypto_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/fernmesh/fernmesh/crypto"
)

// A network's key is made once, stored in a file, and read as a ring.
func Example() {
	dir, err := os.MkdirTemp("", "fernmesh")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "network.key")
	if err := crypto.SaveKey(path, crypto.GenerateKey()); err != nil {
		log.Fatal(err)
	}
	ring, err := crypto.LoadRing(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := ring.Check(); err != nil {
		log.Fatal(err)
	}
	schedule := crypto.Derive(ring.Active(), "home")
	fmt.Println(ring.Len(), len(schedule.KeyID()))
	// Output: 1 8
}

// Two nodes that hold the key agree on a session and exchange frames.
func ExampleRespond() {
	schedule := crypto.Derive(crypto.GenerateKey(), "home")
	offer := crypto.Offer{VersionMin: 1, VersionMax: 1, MaxPlain: crypto.MaxPlaintext}

	// The node that dials.
	initiator, msg1, err := crypto.NewInitiator(schedule, crypto.TransportLAN, nil, offer)
	if err != nil {
		log.Fatal(err)
	}
	// The node that was dialled.
	replay := crypto.NewReplaySet(crypto.ReplayEntries)
	msg2, there, _, err := crypto.Respond([]*crypto.Schedule{schedule}, crypto.TransportLAN, nil, msg1, offer, replay)
	if err != nil {
		log.Fatal(err)
	}
	// The first again.
	here, err := initiator.Finish(msg2)
	if err != nil {
		log.Fatal(err)
	}

	token := here.Send().Seal(nil, []byte("a frame"), time.Now())
	frame, _, err := there.Receive().Open(nil, token)
	fmt.Println(string(frame), err)

	// A recording of the first message is of no use.
	_, _, _, err = crypto.Respond([]*crypto.Schedule{schedule}, crypto.TransportLAN, nil, msg1, offer, replay)
	fmt.Println(err)
	// Output:
	// a frame <nil>
	// handshake failed: replay
}

// A ring lets a network change its key: both keys open, the new one seals.
func ExampleParseRing() {
	newKey, oldKey := crypto.GenerateKey(), crypto.GenerateKey()
	ring, err := crypto.ParseRing([]byte(newKey.Reveal() + " active\n" + oldKey.Reveal() + " accept # until spring\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ring.Active().Equal(newKey), len(ring.Usable()))
	_, err = crypto.ParseRing([]byte(newKey.Reveal() + "\nhunter2\n"))
	fmt.Println(err)
	// Output:
	// true 2
	// not a usable key ring: line 2: not a Fernet key: a key has 44 characters, this has 7
}

// Whoever opens a token judges its time.
func ExampleOpenToken() {
	key := crypto.Derive(crypto.GenerateKey(), "home").AdvertKey()
	token := crypto.SealToken(key, []byte("here I am"), time.Now())
	plain, sealed, _, err := crypto.OpenToken([][32]byte{key}, token)
	fmt.Println(string(plain), time.Since(sealed) < time.Minute, err)

	other := crypto.Derive(crypto.GenerateKey(), "home").AdvertKey()
	_, _, _, err = crypto.OpenToken([][32]byte{other}, token)
	var refused *crypto.TokenError
	fmt.Println(errors.As(err, &refused) && refused.Reason == crypto.ReasonKey, err)
	// Output:
	// here I am true <nil>
	// true token refused: key
}

// A stream of tokens is sealed and opened without allocating.
func ExampleSealer() {
	key := crypto.Derive(crypto.GenerateKey(), "home").AdvertKey()
	sealer, opener := crypto.NewSealer(key), crypto.NewOpener(key)
	var token, plain []byte
	for _, word := range []string{"one", "two"} {
		token = sealer.Seal(token[:0], []byte(word), time.Now())
		var err error
		plain, _, err = opener.Open(plain[:0], token)
		fmt.Println(string(plain), len(token) == crypto.SealedLen(len(word)), err)
	}
	// Output:
	// one true <nil>
	// two true <nil>
}
