package crypto

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrBadIdentity is wrapped by the error about an identity file that is there
// but cannot be used.
var ErrBadIdentity = errors.New("not a usable identity file")

// LoadIdentity reads the identity in the file at path. The file is held to the
// same rules as a key file; see [LoadRing]. A damaged file is an error that
// wraps [ErrBadIdentity], never a reason to make a new identity: to others the
// node would be a different one.
func LoadIdentity(path string) (*Identity, error) {
	text, err := readSecretFile(path)
	if err != nil {
		return nil, err
	}
	defer wipe(text)
	id, err := parseIdentity(text)
	if err != nil {
		return nil, fmt.Errorf("identity file %s: %w: %w; restore it from a backup, or remove it to start with a new identity "+
			"(nodes that pin the old one will refuse the new one)", path, ErrBadIdentity, err)
	}
	return id, nil
}

// LoadOrCreateIdentity reads the identity at path, or makes one there if there
// is no file, with mode 0600, in folders made with mode 0700. Processes that do
// so at the same time end up with the same identity.
func LoadOrCreateIdentity(path string) (*Identity, error) {
	id, err := LoadIdentity(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := publishIdentity(path, NewIdentity()); err != nil {
		return nil, err
	}
	return LoadIdentity(path)
}

// publishIdentity writes a whole file under another name first, so that nobody
// ever reads half of one, then gives it its name unless someone was faster.
func publishIdentity(path string, id *Identity) error {
	var suffix [8]byte
	rand.Read(suffix[:]) //nolint:errcheck // never fails: crypto/rand ends the process rather than return an error
	temp := path + ".new-" + hex.EncodeToString(suffix[:])
	text := formatIdentity(id)
	defer wipe(text)
	if err := createSecretFile(temp, text); err != nil {
		return err
	}
	err := os.Link(temp, path) // unlike rename, leaves a file that is there already
	if err == nil || errors.Is(err, fs.ErrExist) {
		syncDir(filepath.Dir(path))
		return os.Remove(temp)
	}
	// A file system without hard links; the last of several then wins.
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	syncDir(filepath.Dir(path))
	return nil
}

func formatIdentity(id *Identity) []byte {
	var b bytes.Buffer
	b.WriteString("# fernmesh node identity. The secret below is this node's own: keep it, share it with nobody.\n")
	fmt.Fprintf(&b, "public %s\n", id.Public())
	fmt.Fprintf(&b, "secret %s\n", base64.URLEncoding.EncodeToString(id.key.Seed()))
	return b.Bytes()
}

// parseIdentity demands both halves: a secret that was damaged in storage would
// otherwise be just another identity.
func parseIdentity(text []byte) (*Identity, error) {
	var public NodeKey
	var id *Identity
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		var err error
		switch {
		case len(fields) == 0:
		case len(fields) == 2 && fields[0] == "public" && public.IsZero():
			public, err = ParseNodeKey(fields[1])
		case len(fields) == 2 && fields[0] == "secret" && id == nil:
			id, err = parseSeed(fields[1])
		default:
			err = errors.New("it has a line that is neither public, secret nor a comment")
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case id == nil || public.IsZero():
		return nil, errors.New("its public or its secret line is missing")
	case id.Public() != public:
		return nil, errors.New("its public and its secret line do not belong together")
	}
	return id, nil
}

func parseSeed(text string) (*Identity, error) {
	b, ok := decodeCanonical([]byte(text))
	if !ok || len(b) != 32 {
		return nil, errors.New("its secret line is not 32 bytes of URL-safe base64")
	}
	defer wipe(b)
	return IdentityFromSeed([32]byte(b)), nil
}
