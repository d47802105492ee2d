// Package crypto holds everything fernmesh does with keys: the network key
// and its ring, the key schedule, Fernet tokens, node identities, the
// handshake, the session ciphers and the proof of membership for a relay room.
//
// # Start here
//
// A network has one secret, an ordinary Fernet key: [GenerateKey] makes one,
// [SaveKey] stores it, [LoadRing] reads it back (a ring may hold up to four
// keys while a network changes from one to another). [Derive] turns a key and
// a network name into a [Schedule], and everything else hangs on that:
//
//   - [NewInitiator] and [Respond] run the handshake and give [Secrets];
//     their [SendCipher] and [ReceiveCipher] make and open the session's
//     frames, each of them a Fernet token, or a bulk frame where both ends
//     agreed on these ([FeatureBulk]).
//   - [AppendHello] and [ParseHello] are the first message in each direction,
//     signed by the node's [Identity].
//   - [SealToken] and [OpenToken] are for the odd token (adverts, presence);
//     [Sealer] and [Opener] do the same for streams of them, without allocating.
//   - [Schedule.Room] and [RoomProof] prove to a relay that one holds the key,
//     without showing it.
//
// The page docs/protocol.md is the specification; section numbers in comments
// are its sections.
//
// # What to rely on
//
// Secrets print as a short fingerprint, or as "[redacted]", under every verb
// of fmt, in slog and in JSON; [Key.Reveal] is the only way to the text of a
// key. Errors never repeat a secret, nor the input that should have been one.
// Secrets and MACs are compared in constant time. All randomness is from
// crypto/rand. Keys and chains of past epochs are overwritten when the cipher
// advances; copies that the Go runtime or the ciphers of the standard library
// hold (AES round keys, HMAC states) are only dropped, since nothing can
// overwrite them.
//
// # What is not here
//
// No sockets, no command names, no msgpack and no clock: whoever seals says
// what time it is, and whoever opens judges the time the token gives.
package crypto
