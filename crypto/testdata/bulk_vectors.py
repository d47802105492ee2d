"""Makes fm1-bulk.json, by the Python package cryptography and docs/protocol.md alone.

    python3 bulk_vectors.py <fm1.json >fm1-bulk.json

The chain keys are those of fm1.json, the known answers of the protocol.
"""

import json
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KIND, CHUNK = 0x01, 0x14


def uvarint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def chunk(number, flags, data):
    body = number.to_bytes(8, "big") + bytes([flags]) + data
    return bytes([CHUNK]) + uvarint(len(body)) + body


def vector(session, direction, epoch, seq, time, messages):
    chain = bytes.fromhex(session["chain_" + direction][epoch])
    key = HKDFExpand(SHA256(), 32, b"fm1 bulk\x00").derive(chain)
    plain = bytes([1, 0]) + seq.to_bytes(8, "big") + messages
    head = bytes([KIND]) + time.to_bytes(8, "big")
    nonce = bytes(4) + seq.to_bytes(8, "big")
    return {
        "direction": direction,
        "epoch": epoch,
        "seq": seq,
        "time": time,
        "chain": chain.hex(),
        "key": key.hex(),
        "nonce": nonce.hex(),
        "plaintext": plain.hex(),
        "frame": (head + AESGCM(key).encrypt(nonce, plain, head)).hex(),
    }


def main():
    session = json.load(sys.stdin)["session"]
    pattern = bytes(i * 7 % 256 for i in range(1 << 14))
    vectors = [
        vector(session, "i2r", 0, 1, 1700000000, chunk(1, 4, pattern[:1100])),
        vector(session, "i2r", 0, 2, 1700000000, chunk(1, 4, pattern[:900]) + chunk(3, 0, pattern[:333]) + chunk(1, 5, b"")),
        vector(session, "r2i", 0, 1, 1700000001, chunk(1, 9, pattern[:1002])),
        vector(session, "i2r", 1, 1048577, 1700000600, chunk(5, 5, pattern[:1024])),
        vector(session, "r2i", 1, 2**40 + 1, 0, chunk(2, 0, pattern[:1500])),
    ]
    json.dump(vectors, sys.stdout, indent=1)
    print()


main()
