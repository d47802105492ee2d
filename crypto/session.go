package crypto

import "time"

// Secrets is what a handshake gives: the agreement, the handshake hash that
// HELLO signs, and a cipher for each direction. It is for one goroutine.
type Secrets struct {
	secret
	Hash      [32]byte  // handshake hash; the same at both ends, and only there
	Agreement Agreement // what both ends can do
	Initiator bool      // this end dialled

	exporter *[32]byte // a pointer; see secret
	send     *SendCipher
	receive  *ReceiveCipher
}

// newSecrets derives the session's keys from those of Noise's Split (section 1).
func newSecrets(hash []byte, k1, k2 [32]byte, a Agreement, initiator bool) *Secrets {
	s := &Secrets{Hash: [32]byte(hash), Agreement: a, Initiator: initiator}
	both := append(append(make([]byte, 0, 64), k1[:]...), k2[:]...)
	prk := extract(both, hash)
	exporter := expand(&prk, "fm1 exporter", "")
	s.exporter = &exporter
	i2r := firstChain(k1, hash, "i2r")
	r2i := firstChain(k2, hash, "r2i")
	if initiator {
		s.send, s.receive = newSendCipher(i2r, a.Bulk()), newReceiveCipher(r2i, a.Bulk())
	} else {
		s.send, s.receive = newSendCipher(r2i, a.Bulk()), newReceiveCipher(i2r, a.Bulk())
	}
	wipe(both)
	wipe(prk[:])
	return s
}

func firstChain(k [32]byte, hash []byte, direction string) *chain {
	prk := extract(k[:], hash)
	defer wipe(prk[:])
	return &chain{key: expand(&prk, "fm1 chain", direction)}
}

// Send returns the cipher for what this end sends; always the same one.
func (s *Secrets) Send() *SendCipher { return s.send }

// Receive returns the cipher for what this end receives; always the same one.
func (s *Secrets) Receive() *ReceiveCipher { return s.receive }

// Exporter returns a secret of the session for use outside it; the same at both ends.
func (s *Secrets) Exporter() [32]byte { return *s.exporter }

// chain is one direction's ratchet: from an epoch's chain key follow its Fernet
// key, its bulk key and the next chain key, and nothing leads back.
type chain struct {
	key   [32]byte
	epoch uint32
}

func (c *chain) fernetKey() [32]byte { return expand(&c.key, "fm1 fernet", "") }

func (c *chain) bulkKey() [32]byte { return expand(&c.key, "fm1 bulk", "") }

func (c *chain) advance() {
	c.key = expand(&c.key, "fm1 next", "") // overwrites the old one
	c.epoch++
}

// SendCipher seals the frames of one direction. It is for one goroutine at a time.
type SendCipher struct {
	secret
	chain  *chain
	sealer Sealer
	bulk   *bulkCipher // nil without bulk frames
	unused uint64      // no lower sequence number may be that of a bulk frame
}

func newSendCipher(c *chain, bulk bool) *SendCipher {
	s := &SendCipher{chain: c, bulk: newBulkCipher(bulk)}
	s.rekey()
	return s
}

func (s *SendCipher) rekey() {
	key := s.chain.fernetKey()
	defer wipe(key[:])
	s.sealer.rekey(&key)
	s.bulk.rekey(s.chain)
}

// Seal appends plain as one token, as [Sealer.Seal] does.
func (s *SendCipher) Seal(dst, plain []byte, now time.Time) []byte {
	return s.sealer.Seal(dst, plain, now)
}

// HoldPair takes the first frame of a pair, as [Sealer.HoldPair] does.
func (s *SendCipher) HoldPair(plain []byte, now time.Time) { s.sealer.HoldPair(plain, now) }

// SealPair seals a pair, as [Sealer.SealPair] does.
func (s *SendCipher) SealPair(dst, dst2, plain2 []byte, now time.Time) (token, token2 []byte) {
	return s.sealer.SealPair(dst, dst2, plain2, now)
}

// Advance goes to the next epoch, after a KEYUPDATE was sealed. The old chain
// key is overwritten: who takes this memory later cannot open what was sealed before.
func (s *SendCipher) Advance() {
	s.chain.advance()
	s.rekey()
}

// Epoch returns how often the cipher advanced.
func (s *SendCipher) Epoch() uint32 { return s.chain.epoch }

// ReceiveCipher opens the frames of one direction. It is for one goroutine at a time.
type ReceiveCipher struct {
	secret
	chain  *chain
	opener Opener
	bulk   *bulkCipher // nil without bulk frames
}

func newReceiveCipher(c *chain, bulk bool) *ReceiveCipher {
	r := &ReceiveCipher{chain: c, bulk: newBulkCipher(bulk)}
	r.rekey()
	return r
}

func (r *ReceiveCipher) rekey() {
	key := r.chain.fernetKey()
	defer wipe(key[:])
	r.opener.rekey(&key)
	r.bulk.rekey(r.chain)
}

// Open appends the message in token to dst, as [Opener.Open] does. A token does
// not say in what order it was sealed: that is for the sequence number inside.
func (r *ReceiveCipher) Open(dst, token []byte) ([]byte, time.Time, error) {
	return r.opener.Open(dst, token)
}

// Advance goes to the next epoch, after a KEYUPDATE was opened. Tokens and bulk
// frames of the old epoch do not open any more.
func (r *ReceiveCipher) Advance() {
	r.chain.advance()
	r.rekey()
}

// Epoch returns how often the cipher advanced.
func (r *ReceiveCipher) Epoch() uint32 { return r.chain.epoch }
