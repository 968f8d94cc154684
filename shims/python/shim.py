#!/usr/bin/env python3
"""A sample shim for `volact test shim`: KMS, its stubs, a little DCE/RPC, and the IDs of MAK, out of the standard library.

The contract is docs/shim.md. `--wrong NAME` (or 1 to 10) makes it wrong in one way, to see that the harness finds it.
"""

import argparse
import base64
import binascii
import calendar
import hashlib
import hmac
import json
import struct
import sys
import uuid

WRONG = [
    "skip-hmac",
    "any-slot",
    "ignore-hash",
    "padding-off-by-one",
    "ndr64-byte-order",
    "ignore-mac",
    "ignore-cmid",
    "check-digit-weight",
    "day-of-year",
    "v5-key-schedule",
]
wrong = None


class Refused(Exception):
    """The input is refused: a check does not hold."""

    def __init__(self, check, **fields):
        super().__init__(check)
        self.answer = {"ok": False, "check": check, **fields}


def need(holds, check, **fields):
    if not holds:
        raise Refused(check, **fields)


# Rijndael with blocks of 128 bits (FIPS 197; the key of version 4 has 160 bits).

def times2(x):
    return (x << 1) ^ (0x11B if x & 0x80 else 0)


def product(x, y):
    result = 0
    while y:
        if y & 1:
            result ^= x
        x, y = times2(x), y >> 1
    return result


def make_sbox():
    sbox = [0] * 256
    for x in range(256):
        inverse = next((y for y in range(256) if product(x, y) == 1), 0)
        value = 0x63
        for shift in range(5):
            value ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        sbox[x] = value
    return sbox


SBOX = make_sbox()
UNSBOX = [SBOX.index(x) for x in range(256)]
MUL = {factor: [product(x, factor) for x in range(256)] for factor in (2, 3, 9, 11, 13, 14)}


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Rijndael:
    def __init__(self, key, changes=()):
        words = [list(key[i:i + 4]) for i in range(0, len(key), 4)]
        count, constant = len(words), 1
        rounds = count + 6
        while len(words) < 4 * (rounds + 1):
            word = list(words[-1])
            if len(words) % count == 0:
                word = [SBOX[x] for x in word[1:] + word[:1]]
                word[0] ^= constant
                constant = times2(constant)
            words.append([x ^ y for x, y in zip(word, words[-count])])
        self.keys = [bytearray(sum(words[i:i + 4], [])) for i in range(0, len(words), 4)]
        for round_key, mask in changes:
            self.keys[round_key][0] ^= mask

    def encrypt(self, block):
        s = list(xor(block, self.keys[0]))
        for key in self.keys[1:]:
            s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if key is not self.keys[-1]:
                s = mixed(s, (2, 3, 1, 1))
            s = list(xor(s, key))
        return bytes(s)

    def decrypt(self, block):
        s = list(block)
        for key in reversed(self.keys[1:]):
            s = list(xor(s, key))
            if key is not self.keys[-1]:
                s = mixed(s, (14, 11, 13, 9))
            s = [UNSBOX[s[(i - 4 * (i % 4)) % 16]] for i in range(16)]
        return xor(s, self.keys[0])

    def cbc_encrypt(self, iv, data):
        out = []
        for at in range(0, len(data), 16):
            iv = self.encrypt(xor(iv, data[at:at + 16]))
            out.append(iv)
        return b"".join(out)

    def cbc_decrypt(self, iv, data):
        out = []
        for at in range(0, len(data), 16):
            out.append(xor(self.decrypt(data[at:at + 16]), iv))
            iv = data[at:at + 16]
        return b"".join(out)


def mixed(s, factors):
    def term(factor, x):
        return x if factor == 1 else MUL[factor][x]
    out = []
    for column in range(0, 16, 4):
        for row in range(4):
            value = 0
            for i in range(4):
                value ^= term(factors[i], s[column + (row + i) % 4])
            out.append(value)
    return out


# KMS.

V4 = Rijndael(bytes.fromhex("053d8307f9e5f088eb5ea6686cf037c7e4efd2d6"))
V5 = Rijndael(bytes.fromhex("cd7e796f2ab25dcb55ffc8ef8364c470"))
V6_KEY = bytes.fromhex("a94a4195e201432d9bcb460405d84a21")
V6 = Rijndael(V6_KEY, [(4, 0x73), (6, 0x09), (8, 0xE4)])
V6_AS_V5 = Rijndael(V6_KEY)

REQUEST = struct.Struct("<IIII16s16s16s16sIQ16s128s")
NUMBERS = ["version", "vm_info", "license_status", "binding_expiration"]
GUIDS = ["app_id", "act_id", "kms_id", "cmid"]
SLOT = 0x22816889BD


def cipher(major):
    if major == 5:
        return V5
    return V6_AS_V5 if wrong == "v5-key-schedule" else V6


def mac_of(body):
    padded = body + b"\x80"
    padded += bytes(-len(padded) % 16)
    return V4.cbc_encrypt(bytes(16), padded)[-16:]


def guid_text(raw):
    return str(uuid.UUID(bytes_le=raw))


def guid_bytes(text):
    return uuid.UUID(text).bytes_le


def major_of(message):
    need(len(message) >= 4, "length")
    version = struct.unpack_from("<I", message)[0]
    need(version >> 16 in (4, 5, 6), "version")
    return version, version >> 16


def open_request(message):
    """The body of a request that is right, and K: its IV under the raw block cipher."""
    version, major = major_of(message)
    if major == 4:
        need(len(message) == 252, "length")
        body = message[:236]
        need(mac_of(body) == message[236:] or wrong == "ignore-mac", "mac")
        return body, None
    need(len(message) == 260, "length")
    plain = cipher(major).cbc_decrypt(message[4:20], message[20:])
    need(struct.unpack_from("<I", plain)[0] == version, "version_envelope")
    need(plain[236:] == b"\x04" * 4, "padding")
    return plain[:236], cipher(major).decrypt(message[4:20])


def decode_request(case):
    body, _ = open_request(bytes.fromhex(case["message"]))
    values = REQUEST.unpack(body)
    answer = dict(zip(NUMBERS, values))
    answer.update(zip(GUIDS, map(guid_text, values[4:8])))
    answer.update(n_policy=values[8], client_time=str(values[9]), cmid_prev=guid_text(values[10]))
    answer["machine_name"] = values[11].hex()
    return answer


def encode_request(case):
    body = REQUEST.pack(
        *(case[name] for name in NUMBERS), *(guid_bytes(case[name]) for name in GUIDS),
        case["n_policy"], int(case["client_time"]), guid_bytes(case["cmid_prev"]),
        bytes.fromhex(case["machine_name"]))
    major = case["version"] >> 16
    if major == 4:
        return {"message": (body + mac_of(body)).hex()}
    iv = bytes.fromhex(case["iv"])
    message = body[:4] + iv + cipher(major).cbc_encrypt(iv, body + b"\x04" * 4)
    return {"message": message.hex()}


def slot_hmac(client_time, away, data):
    slot = client_time // SLOT * 0x208CBAB5ED + 0x3156CD5AC628477A + away * SLOT
    key = hashlib.sha256(struct.pack("<Q", slot % 2**64)).digest()[16:]
    return hmac.new(key, data, hashlib.sha256).digest()[16:]


def verify_response(case):
    request = bytes.fromhex(case["request"])
    response = bytes.fromhex(case["response"])
    version, major = major_of(response)
    asked, k = open_request(request)
    if major == 4:
        plain, behind = response, 16
    else:
        need(len(response) >= 20 and (len(response) - 4) % 16 == 0, "length")
        plain, behind = cipher(major).cbc_decrypt(response[4:20], response[20:]), 48 if major == 5 else 88
    need(len(plain) >= 8, "length")
    inner, pid_size = struct.unpack_from("<II", plain)
    end = 44 + pid_size
    need(len(plain) >= end + behind, "length")
    epid = plain[8:8 + pid_size]
    cmid, client_time, count, activation, renewal = struct.unpack_from("<16sQIII", plain, 8 + pid_size)
    if major == 4:
        need(len(plain) == end + 16, "length")
        need(mac_of(plain[:end]) == plain[end:] or wrong == "ignore-mac", "mac")
        need(version == struct.unpack_from("<I", asked)[0], "version_echo")
    else:
        need(version == inner == struct.unpack_from("<I", request)[0], "version_envelope")
    need(cmid == asked[64:80] or wrong == "ignore-cmid", "cmid_echo")
    need(client_time == struct.unpack_from("<Q", asked, 84)[0], "client_time_echo")
    units = [epid[i:i + 2] for i in range(0, pid_size, 2)]
    need(units[-1:] == [bytes(2)] and bytes(2) not in units[:-1], "pid_size")
    answer = {
        "version": inner, "epid": epid.hex(), "cmid": guid_text(cmid), "client_time": str(client_time),
        "count": count, "activation_interval": activation, "renewal_interval": renewal,
    }
    if major == 4:
        return answer
    padding = plain[end + behind:]
    need(1 <= len(padding) <= 16 and set(padding) == {len(padding)}, "padding")
    salt, digest = xor(plain[end:end + 16], k), plain[end + 16:end + 48]
    need(hashlib.sha256(salt).digest() == digest or wrong == "ignore-hash", "hash")
    same_iv = response[4:20] == request[4:20]
    if major == 5:
        need(same_iv, "iv_echo")
        return answer
    need(not same_iv, "iv_fresh")
    need(plain[end + 56:end + 72] == k, "xored_ivs")
    data = cipher(6).decrypt(response[4:20]) + plain[:end + 72]
    reach = 10 if wrong == "any-slot" else 1
    slots = (slot_hmac(client_time, away, data) for away in range(-reach, reach + 1))
    need(wrong == "skip-hmac" or plain[end + 72:end + 88] in slots, "hmac")
    answer["hwid"] = plain[end + 48:end + 56].hex()
    return answer


def refuse(hresult):
    refused = Refused("")
    refused.answer = {"ok": False, "hresult": hresult}
    raise refused


def respond(case):
    request = bytes.fromhex(case["request"])
    try:
        body, k = open_request(request)
    except Refused:
        refuse(0x8007000D)
    kms_id, cmid = body[48:64], body[64:80]
    client_time = struct.unpack_from("<Q", body, 84)[0]
    if case["product"] and guid_bytes(case["product"]) != kms_id:
        refuse(0xC004F042)
    skew = int(case["max_clock_skew"])
    if skew and abs(int(case["now"]) - client_time) > skew:
        refuse(0xC004F06C)
    epid = bytes.fromhex(case["epid"])
    answer = body[:4] + struct.pack("<I", len(epid)) + epid + cmid + struct.pack(
        "<QIII", client_time, case["count"], case["activation_interval"], case["renewal_interval"])
    major = struct.unpack_from("<I", body)[0] >> 16
    if major == 4:
        return {"response": (answer + mac_of(answer)).hex()}
    salt, r = bytes.fromhex(case["salt"]), bytes.fromhex(case["r"])
    answer += xor(salt, k) + hashlib.sha256(salt).digest()
    iv = request[4:20]
    if major == 6:
        answer += bytes.fromhex(case["hwid"]) + k
        answer += slot_hmac(client_time, 0, r + answer)
        iv = cipher(6).encrypt(r)
    padding = 16 - len(answer) % 16
    value = padding - 1 if wrong == "padding-off-by-one" else padding
    answer += bytes([value]) * padding
    return {"response": (body[:4] + iv + cipher(major).cbc_encrypt(iv, answer)).hex()}


# NDR.

class Stub:
    """Reads the integers of a stub."""

    def __init__(self, case):
        self.data = bytes.fromhex(case.get("stub", ""))
        self.at = 0
        self.order = ">" if case["big"] else "<"
        self.is_wide = case["syntax"] == 64
        self.wide_order = self.order
        if self.is_wide and wrong == "ndr64-byte-order":
            self.wide_order = "<" if case["big"] else ">"

    def take(self, count):
        need(len(self.data) - self.at >= count, "length")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self):
        return struct.unpack(self.order + "I", self.take(4))[0]

    def size(self):
        size = struct.unpack(self.wide_order + "I", self.take(4))[0]
        if self.is_wide:
            self.take(4)
        return size

    def wide(self):
        kind, count = ("Q", 8) if self.is_wide else ("I", 4)
        return struct.unpack(self.wide_order + kind, self.take(count))[0]

    def put_size(self, size):
        return struct.pack(self.wide_order + "I", size) + bytes(4 if self.is_wide else 0)

    def put_wide(self, value):
        return struct.pack(self.wide_order + ("Q" if self.is_wide else "I"), value)


def decode_request_stub(case):
    stub = Stub(case)
    size, count = stub.size(), stub.wide()
    need(size == count, "counts")
    return {"message": stub.take(size).hex()}


def encode_request_stub(case):
    stub, message = Stub(case), bytes.fromhex(case["message"])
    return {"stub": (stub.put_size(len(message)) + stub.put_wide(len(message)) + message).hex()}


def decode_response_stub(case):
    stub = Stub(case)
    size = stub.size()
    if stub.wide() == 0:
        hresult = stub.number()
        need(hresult != 0, "null_pointer")
        return {"message": "", "hresult": hresult}
    need(stub.wide() == size, "counts")
    message = stub.take(size)
    stub.take(-size % 4)
    return {"message": message.hex(), "hresult": stub.number()}


def encode_response_stub(case):
    stub, message, hresult = Stub(case), bytes.fromhex(case["message"]), case["hresult"]
    end = struct.pack(stub.order + "I", hresult)
    if hresult:
        return {"stub": (stub.put_size(0) + stub.put_wide(0) + end).hex()}
    head = stub.put_size(len(message)) + stub.put_wide(0x20000) + stub.put_wide(len(message))
    return {"stub": (head + message + bytes(-len(message) % 4) + end).hex()}


# DCE/RPC.

KMS = "51c82175-844e-4750-b0d8-ec255555bc06"
NDR32 = "8a885d04-1ceb-11c9-9fe8-08002b104860"
NDR64 = "71710533-beba-4937-8319-b5dbef9ccc36"
FEATURES = bytes.fromhex("2c1cb76c12984045")


def order_of(pdu):
    return "<" if pdu[4] >> 4 else ">"


def frame(case):
    stream, lengths = bytes.fromhex(case["stream"]), []
    while stream:
        need(stream[0] == 5, "version")
        if len(stream) < 16:
            break
        length = struct.unpack_from(order_of(stream) + "H", stream, 8)[0]
        need(length >= 16, "length")
        if length > len(stream):
            break
        lengths.append(str(length))
        stream = stream[length:]
    return {"pdus": len(lengths), "lengths": ",".join(lengths), "rest": len(stream)}


def read_bind(pdu):
    need(len(pdu) >= 16, "length")
    need(pdu[2] == 11, "type")
    order = order_of(pdu)
    length, call_id = struct.unpack_from(order + "H", pdu, 8)[0], struct.unpack_from(order + "I", pdu, 12)[0]
    need(28 <= length <= len(pdu), "length")
    xmit, recv, group, count = struct.unpack_from(order + "HHIB", pdu, 16)
    at, contexts = 28, []
    for _ in range(count):
        need(at + 24 <= length, "length")
        context, syntaxes = struct.unpack_from(order + "HB", pdu, at)
        need(at + 24 + 20 * syntaxes <= length, "length")
        read = guid_text if order == "<" else lambda raw: str(uuid.UUID(bytes=raw))
        abstract = read(pdu[at + 4:at + 20])
        transfers = [read(pdu[at + 24 + 20 * i:at + 40 + 20 * i]) for i in range(syntaxes)]
        contexts.append((context, abstract, transfers))
        at += 24 + 20 * syntaxes
    return call_id, xmit, recv, group, contexts


def decode_bind(case):
    call_id, xmit, recv, group, contexts = read_bind(bytes.fromhex(case["pdu"]))
    answer = {"call_id": call_id, "max_xmit_frag": xmit, "max_recv_frag": recv, "assoc_group_id": group,
              "contexts": len(contexts)}
    for i, (context, abstract, transfers) in enumerate(contexts):
        answer[f"context_{i}"] = context
        answer[f"abstract_{i}"] = abstract
        answer[f"transfer_{i}"] = transfers[0] if transfers else str(uuid.UUID(int=0))
    return answer


def encode_bind_ack(case):
    call_id, xmit, recv, _, contexts = read_bind(bytes.fromhex(case["bind"]))
    takes = NDR64 if case["ndr64"] and any(NDR64 in transfers for _, _, transfers in contexts) else NDR32
    results = b""
    for _, abstract, transfers in contexts:
        features = [guid_bytes(text) for text in transfers if guid_bytes(text)[:8] == FEATURES]
        if features:
            results += struct.pack("<HH20x", 3, features[0][8] & 3)
        elif abstract != KMS:
            results += struct.pack("<HH20x", 2, 1)
        elif takes in transfers:
            results += struct.pack("<HH16sI", 0, 0, guid_bytes(takes), 1 if takes == NDR64 else 2)
        else:
            results += struct.pack("<HH20x", 2, 2)
    port = case["port"].encode() + b"\0"
    body = struct.pack("<HHIH", recv, xmit, case["assoc_group_id"], len(port)) + port
    body += bytes(-len(body) % 4) + struct.pack("<B3x", len(contexts)) + results
    header = struct.pack("<BBBB4sHHI", 5, 0, 12, 3, b"\x10\0\0\0", 16 + len(body), 0, call_id)
    return {"pdu": (header + body).hex()}


# MAK.

DIGEST_KEY = bytes.fromhex("fe319875fb4884869cf3f1ce99a89064ab571fca470450583024e214628779a0")


def check_id(case, kinds):
    text = case["text"]
    need(set(text) <= set("0123456789 -"), "character")
    digits = [int(digit) for digit in text if digit.isdigit()]
    need(len(digits) in kinds, "length")
    group_len = kinds[len(digits)]
    doubled = 0 if wrong == "check-digit-weight" else 1
    for number in range(len(digits) // group_len):
        *group, check = digits[number * group_len:(number + 1) * group_len]
        total = sum(digit * (2 if i % 2 == doubled else 1) for i, digit in enumerate(group))
        need(total % 7 == check, "check_digit", group=number + 1)
    return {"digits": len(digits)}


def verify_digest(case):
    try:
        request_xml, digest = (base64.b64decode(case[name], validate=True) for name in ("request_xml", "digest"))
    except binascii.Error:
        raise Refused("base64") from None
    need(hmac.compare_digest(hmac.new(DIGEST_KEY, request_xml, hashlib.sha256).digest(), digest), "digest")
    return {}


def parse_epid(case):
    parts = case["text"].replace(".", "-.").split("-")
    need(len(parts) == 9 and parts[7].startswith("."), "format")
    parts[7] = parts[7][1:]
    widths = [5, 5, 3, 6, 2, 5, 5, 4, 7]
    need(all(part.isascii() and part.isdigit() and len(part) <= width for part, width in zip(parts, widths)),
         "format")
    numbers = list(map(int, parts))
    day, year = divmod(numbers[8], 10000)
    last = 366 if calendar.isleap(year) else 365
    need(0 <= day <= 366 if wrong == "day-of-year" else 1 <= day <= last, "day")
    return {"platform_id": numbers[0], "group": numbers[1], "key_sequence": numbers[2] * 1000000 + numbers[3],
            "channel": numbers[4], "lcid": numbers[5], "build": numbers[6], "day": day, "year": year}


OPERATIONS = {
    "hello": lambda case: {"contract": 1, "name": "volact sample shim in Python"},
    "echo": lambda case: {"bytes": case["bytes"]},
    "kms.request.decode": decode_request,
    "kms.request.encode": encode_request,
    "kms.response.verify": verify_response,
    "kms.respond": respond,
    "ndr.request.decode": decode_request_stub,
    "ndr.request.encode": encode_request_stub,
    "ndr.response.decode": decode_response_stub,
    "ndr.response.encode": encode_response_stub,
    "rpc.frame": frame,
    "rpc.bind.decode": decode_bind,
    "rpc.bind_ack.encode": encode_bind_ack,
    "mak.installation_id.check": lambda case: check_id(case, {50: 6, 54: 6, 63: 7}),
    "mak.confirmation_id.check": lambda case: check_id(case, {42: 6, 48: 6}),
    "mak.digest.verify": verify_digest,
    "epid.parse": parse_epid,
}


def main():
    global wrong
    parser = argparse.ArgumentParser(description="A sample shim for volact test shim.")
    parser.add_argument("--wrong", choices=WRONG + [str(i + 1) for i in range(len(WRONG))])
    wrong = parser.parse_args().wrong
    if wrong and wrong.isdigit():
        wrong = WRONG[int(wrong) - 1]
    for line in sys.stdin:
        case = json.loads(line)
        operation = OPERATIONS.get(case["op"])
        if operation is None:
            answer = {"unimplemented": True}
        else:
            try:
                answer = {"ok": True, **operation(case)}
            except Refused as refused:
                answer = refused.answer
        print(json.dumps({"id": case["id"], **answer}), flush=True)


if __name__ == "__main__":
    main()
