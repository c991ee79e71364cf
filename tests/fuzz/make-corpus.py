#!/usr/bin/env python3
"""Writes the seeds of json_body_fuzz, redis_reply_fuzz and es256_fuzz into tests/fuzz/corpus.

usage: tests/fuzz/make-corpus.py

What it writes is committed; it is run again after a format or a target's first bytes have changed.
"""
import pathlib
import struct

corpus = pathlib.Path(__file__).parent / "corpus"


def write(folder, name, *parts):
    (corpus / folder).mkdir(parents=True, exist_ok=True)
    content = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    (corpus / folder / name).write_bytes(content)


# --- json-body: the first byte says which body ---
ANY, MODULE, DEVICE, SIGN_IN, HEARTBEATS, _, STREAM, QUERY = (bytes([i]) for i in range(8))
write("json-body", "any", ANY, '{"a":[1,-2.5e3,true,null,{"b":"\\u00e9\\ud83d\\ude00"}],"c":{}}')
write("json-body", "any-deep", ANY, '{"a":[[[[[[[1]]]]]]]}')
write("json-body", "any-twice", ANY, '{"a":1,"\\u0061":2}')
write("json-body", "any-large", ANY, '{"a":1e999}')
write("json-body", "module", MODULE, '{"title":"By hand","duration_ms":60000}')
write("json-body", "module-full", MODULE,
      '{"title":"\u00dcber alles","duration_ms":86400000,"mastery_threshold":33.33,'
      '"max_rate":1.125,"preview_url":"https://example.org/a?b#c"}')
write("json-body", "module-edges", MODULE,
      '{"title":"a","duration_ms":1,"mastery_threshold":0.01,"max_rate":0.25,"preview_url":"/v"}')
# The base point of P-256, and the key of RFC 8037, appendix A.2.
write("json-body", "device-p256", DEVICE,
      '{"student":"ada","jwk":{"kty":"EC","crv":"P-256",'
      '"x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",'
      '"y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU","use":"sig","alg":"ES256",'
      '"key_ops":["verify"],"ext":true}}')
write("json-body", "device-ed25519", DEVICE,
      '{"student":"a.b_c~d:e@f-1","jwk":{"kty":"OKP","crv":"Ed25519",'
      '"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}}')
write("json-body", "device-private", DEVICE,
      '{"student":"ada","jwk":{"kty":"OKP","crv":"Ed25519","d":"a","x":"b"}}')
write("json-body", "sign-in", SIGN_IN, '{"token":"wk_secret"}')
token = (corpus / "token" / "es256").read_bytes()[1:]
other = (corpus / "token" / "eddsa").read_bytes()[1:]
write("json-body", "heartbeat", HEARTBEATS, b"\x01\x00", token)
write("json-body", "heartbeat-minimal", HEARTBEATS, b"\x05\x01", token, "\n")
write("json-body", "heartbeat-query", HEARTBEATS, b"\x02\x00", "a=b&token=", token)
write("json-body", "heartbeats", HEARTBEATS, b"\x00\x00", token, "\n", other, "\nx\n\n")
write("json-body", "heartbeats-too-many", HEARTBEATS, b"\x00\x00", "\n".join("abcdefghijklmnopq"))
write("json-body", "stream", STREAM, b"\x03\x40", token, "\n", other, "\n")
write("json-body", "stream-late", STREAM, b"\x00\x05", token, "\na\n\nb")
write("json-body", "stream-drained", STREAM, b"\x04\xff", "a\n" * 70, token)
write("json-body", "query", QUERY, "limit=500&cursor=a%2Eb&after=9223372036854775807&bins=1000")

# --- redis-reply: which call or value, two bytes of how, bytes ---
now_ms = 1_763_812_345_123


def head(nonce=17, mark=1, value_format=0x84):
    return struct.pack(">BBQ", value_format, mark, nonce)


def life(epoch=1, attempt=1, compared_in=0, begins_ms=0):
    return struct.pack(">IIQq", epoch, attempt, compared_in, begins_ms)


def numbers(covered, mastered=0):
    return struct.pack(">IIIqqqq", covered, 700_000, 9_000, covered, now_ms - 5_000, now_ms - 4_000,
                       mastered)


def window(tag, highest=3, seen=0b101, renewed_s=now_ms // 1000 - 10):
    return struct.pack(">QIQI", tag, highest, seen, renewed_s)


def coverage(*pieces):
    return b"".join(struct.pack(">II", *piece) for piece in pieces)


def pair(*pieces, windows=(), **more):
    covered = sum(to - start for start, to in pieces)
    return (head() + life() + numbers(covered, **more) + bytes([len(windows)]) + b"".join(windows)
            + coverage(*pieces))


def bulk(content):
    content = content if isinstance(content, bytes) else content.encode()
    return b"$%d\r\n%s\r\n" % (len(content), content)


def array(*elements):
    return b"*%d\r\n" % len(elements) + b"".join(elements)


def call(what, first=0, second=0):
    return bytes([what, first, second])


def rotated(value, bits):
    return (value << bits | value >> (64 - bits)) & 0xffffffffffffffff


def xxh64(text):
    """XXH64 with seed 0: a session's tag is made of it (docs/storage-format.md)."""
    p1, p2, p3, p4, p5 = (0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
                          0x85ebca77c2b2ae63, 0x27d4eb2f165667c5)
    mask = 0xffffffffffffffff
    lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
    at = 0

    def turn(lane, word):
        return rotated((lane + word * p2) & mask, 31) * p1 & mask

    if len(text) >= 32:
        while at + 32 <= len(text):
            for i, word in enumerate(struct.unpack_from("<4Q", text, at)):
                lanes[i] = turn(lanes[i], word)
            at += 32
        sums = sum(rotated(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & mask
        for lane in lanes:
            sums = ((sums ^ turn(0, lane)) * p1 + p4) & mask
    else:
        sums = p5
    sums = (sums + len(text)) & mask
    while at + 8 <= len(text):
        word, = struct.unpack_from("<Q", text, at)
        sums = (rotated(sums ^ turn(0, word), 27) * p1 + p4) & mask
        at += 8
    if at + 4 <= len(text):
        word, = struct.unpack_from("<I", text, at)
        sums = (rotated(sums ^ word * p1 & mask, 23) * p2 + p3) & mask
        at += 4
    for byte in text[at:]:
        sums = rotated(sums ^ byte * p5 & mask, 11) * p1 & mask
    for shift, factor in ((33, p2), (29, p3), (32, 1)):
        sums = (sums ^ sums >> shift) * factor & mask
    return sums


# The session of the target's requests: a device of 32 zero bytes, sid "p".
tag = xxh64(bytes(32) + b"p") >> 11
student = head(mark=0) + struct.pack(">Iqq", 1, 60_000_000, now_ms - 60_000)
one = pair((0, 9_000), windows=[window(tag)])
many = pair(*((i * 10_000, i * 10_000 + 5_000) for i in range(60)),
            windows=[window(5), window(tag), window(7)])

write("redis-reply", "pair", call(11), one)
write("redis-reply", "pair-many", call(11), many)
write("redis-reply", "pair-empty", call(11), pair())
write("redis-reply", "cas", call(8, 0x00, 0), student, one)
write("redis-reply", "cas-several", call(8, 0x19, 20), student, many)
write("redis-reply", "cas-mastered", call(8, 0x41, 9), student,
      pair((0, 14_000), windows=[window(tag, 0, 0, 1_763_812_000 - 500)]))
write("redis-reply", "cas-new-session", call(8), student, pair((0, 9_000), windows=[window(5)] * 4))
write("redis-reply", "student", call(10), student)
write("redis-reply", "student-format-3", call(10), head(mark=0, value_format=0x83),
      struct.pack(">qq", 60_000_000, now_ms - 60_000))
write("redis-reply", "student-erased-format-3", call(10), "erased")
write("redis-reply", "pair-format-3", call(11), head(value_format=0x83), numbers(9_000), b"\x00",
      coverage((0, 9_000)))
write("redis-reply", "session", call(10), struct.pack(">IQI", 3, 5, now_ms // 1000), "m1")
write("redis-reply", "member", call(13), "ada/m1")
master = bulk("role:master\r\n")  # follows whatever was read
absent = array(*[b"$-1\r\n"] * 3) + b":0\r\n" + master  # student, pair and session
there = array(bulk(student), bulk(one), b"$-1\r\n") + b":2\r\n" + master
write("redis-reply", "apply-missing", call(0), absent)
write("redis-reply", "apply", call(0), there, bulk(""))
write("redis-reply", "apply-missed", call(1), there, array(bulk("\x01"), bulk(student), bulk(one), bulk("")), bulk(""),
      bulk(""))
write("redis-reply", "apply-missed-short", call(0), there, array(bulk("\x01"), bulk(student)), there, bulk(""))
write("redis-reply", "apply-foreign", call(0), array(*[b"$-1\r\n"] * 3), ":1\r\n", master, "+none\r\n+list\r\n+string\r\n", master)
write("redis-reply", "apply-oom", call(0), there, "-OOM command not allowed\r\n")
write("redis-reply", "apply-alone", call(0), there, "-WRONGTYPE of a set\r\n", there, "-WRONGTYPE of a set\r\n")
write("redis-reply", "apply-library", call(0), there, "-ERR Function not found\r\n", ":6\r\n", bulk(""))
write("redis-reply", "read", call(2, 0x02, 2), bulk(one), "$-1\r\n", bulk(many), master)
write("redis-reply", "merge", call(3, 0x01, 0), array(b"$-1\r\n", b"$-1\r\n"), ":0\r\n", master, bulk(""))
write("redis-reply", "merge-united", call(3, 0x00, 1), array(bulk(student), bulk(many)), ":2\r\n", master, bulk(""))
write("redis-reply", "modules", call(4), array(bulk("m1"), bulk("m2")), master)
write("redis-reply", "dirty", call(5, 0, 5), array(bulk("s0/m1"), bulk("s0/m2"), bulk("s0/m3")), master,
      bulk(one), bulk(many), "$-1\r\n", master, ":1\r\n", ":1\r\n")
write("redis-reply", "health", call(6), bulk("# Server\r\nredis_version:7.0.15\r\n"),
      array(bulk("appendonly"), bulk("yes"), bulk("appendfsync"), bulk("everysec")),
      bulk("aof_enabled:1\r\n"), bulk("maxmemory:0\r\n"), bulk("role:master\r\n"))
write("redis-reply", "health-managed", call(6), bulk("redis_version:7.0.15\r\n"),
      "-ERR unknown command 'CONFIG'\r\n", bulk("aof_enabled:1\r\n"))
write("redis-reply", "connect", call(4, 0x80), bulk("# Replication\r\nrole:master\r\n"), ":2\r\n", "+OK\r\n", array(b"$-1\r\n", b"$-1\r\n"),
      ":1\r\n:1\r\n", array(bulk("256"), bulk("3")), array(), master)
write("redis-reply", "replica", call(6, 0x80), bulk("role:slave\r\n"))
write("redis-reply", "demoted", call(0), there, "-READONLY You can't write against a read only replica.\r\n")
write("redis-reply", "counts", call(7), ":1\r\n" * 256, master, ":1\r\n" * 2)
head = "wk2 1f "
write("redis-reply", "message-updates", call(14), head, "updates m1\n"
      "ada 7 1 0 9000 60000 9000 9000 1763812345123 0 0 9000 1 0 9000 1 0 9000\n"
      "bob 7 3 2 0 60000 0 0 0 0 10 20 0 0\n")
write("redis-reply", "message-second", call(14), head, "second 1000 5 4 1 2 3 4\nstale_token 1\n")
write("redis-reply", "message-seen", call(14), head, "seen m1\nada 1\nbob 0\n")
write("redis-reply", "message-interest", call(14), head, "interest\nm1\nm2\n")
write("redis-reply", "message-gap", call(14), head, "gap\n")

# --- es256: mode, two bytes of which bit, digest, d, then t or a signature, then a key ---
order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
prime_p = 2**256 - 2**224 + 2**192 + 2**96 - 1


def wide(number):
    return number.to_bytes(32, "big")


for name, digest, d, t in (("valid", 0x1234, 7, 11), ("valid-edges", 2**256 - 1, order - 1, 1),
                           ("valid-zero-digest", 0, 1, order - 2), ("valid-wide", order, 2**255, 2**128)):
    write("es256", name, b"\x00\x00\x00", wide(digest), wide(d), wide(t))
write("es256", "flipped-signature", b"\x02\x07\x00", wide(5), wide(6), wide(7))
write("es256", "flipped-key", b"\x02\x08\x02", wide(5), wide(6), wide(7))
write("es256", "flipped-digest", b"\x02\x00\x04", wide(5), wide(6), wide(7))
for name, r, s in (("zero", 0, 0), ("one", 1, 1), ("order", order, order), ("below", order - 1, order - 1),
                   ("largest", 2**256 - 1, 2**256 - 1), ("prime", prime_p - 1, 1)):
    write("es256", "range-" + name, b"\x01\x00\x00", wide(9), wide(3), wide(r), wide(s))
for name, x, y in (("zero", 0, 0), ("large", prime_p, prime_p), ("off", 1, 1)):
    write("es256", "key-" + name, b"\x05\x00\x00", wide(9), wide(3), wide(1), wide(1), wide(x), wide(y))
