"""A KMS client and a KMS host that do as they are told, for the requests and answers that no program at hand sends.

What a message, a stub and a bind_ack are made of is shims/python/shim.py's business, which shares no code with the
program. The host carries the project's test identity and nobody else's.
"""

import contextlib
import pathlib
import secrets
import socket
import struct
import sys
import threading
import time
import uuid

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "shims/python"))

import shim

WINDOWS = "55c92734-d682-4d71-983e-d6ec3f16059f"
OFFICE = "0ff1ce15-a989-479d-af46-f275c6370663"
# By the name in the catalogue: application, SKU, counted id, the clients that it needs, its version of the protocol.
PRODUCTS = {
    "Windows 7 Enterprise": (WINDOWS, "ae2ee509-1b34-41c0-acb7-6d4650168915", "7fde5219-fbfa-484a-82c9-34d1ad53e856", 25, 4),
    "Windows 10/11 Pro": (WINDOWS, "2de67392-b7a7-462a-b1ca-108dd189f588", "58e2134f-8e11-4d17-9cb2-91069c151148", 25, 6),
    "Windows 10/11 Enterprise": (WINDOWS, "73111121-5638-40f6-bc11-f1d7b0d64300", "58e2134f-8e11-4d17-9cb2-91069c151148", 25, 6),
    "Windows Server 2019 Standard": (WINDOWS, "de32eafd-aaee-4662-9444-c1befb41bde2", "8449b1fb-f0ea-497a-99ab-66ca96e9a0f5", 5, 6),
    "Windows Server 2022 Datacenter": (WINDOWS, "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03", "b74263e4-0f92-46c6-bcf8-c11d5efe2959", 5, 6),
    "Office Professional Plus 2019": (OFFICE, "85dd8b5f-eaa4-4af3-a628-cce9e77c9a03", "617d9eb1-ef36-4f82-86e0-a65ae07b96c6", 5, 6),
}  # fmt: skip
UNIX_EPOCH = 116_444_736_000_000_000
TEST_EPID = "00000-00000-000-000000-03-1033-00000.0000-0011601"
TEST_HWID = b"volact\0\0"
BIND, BIND_ACK, BIND_NAK, REQUEST, RESPONSE = 11, 12, 13, 0, 2
OFFERED = [
    (uuid.UUID(shim.NDR32).bytes_le, 2),
    (uuid.UUID(shim.NDR64).bytes_le, 1),
    (shim.FEATURES + b"\x03" + bytes(7), 1),
]


def pdu(ptype, call_id, body, flags=3):
    return struct.pack("<4B4sHHI", 5, 0, ptype, flags, b"\x10\0\0\0", 16 + len(body), 0, call_id) + body


def read_pdu(peer):
    """The next PDU, or nothing at the connection's end."""
    head = peer.recv(16, socket.MSG_WAITALL)
    if len(head) < 16:
        return b""
    return head + peer.recv(struct.unpack_from("<H", head, 8)[0] - 16, socket.MSG_WAITALL)


# ---------------------------------------------------------------------------------------------------------------------
# The client.


def request(product, cmid, name, at, *, major=None, status=2, minutes=43200, policy=None, virtual=0):
    """A request of `product` by a machine, at a time in nanoseconds since 1970."""
    app_id, act_id, kms_id, needed, version = PRODUCTS[product]
    text = name.encode("utf-16-le")
    case = {
        "version": (major or version) << 16,
        "vm_info": virtual,
        "license_status": status,
        "binding_expiration": minutes,
        "app_id": app_id,
        "act_id": act_id,
        "kms_id": kms_id,
        "cmid": cmid,
        "n_policy": needed if policy is None else policy,
        "client_time": at // 100 + UNIX_EPOCH,
        "cmid_prev": str(uuid.UUID(int=0)),
        "machine_name": (text + bytes(128 - len(text))).hex(),
        "iv": secrets.token_hex(16),
    }
    return bytes.fromhex(shim.encode_request(case)["message"])


class Client:
    """A connection that binds as Windows does: three contexts, fragments of 5840 octets, the first call is 2."""

    def __init__(self, host, port=1688, *, source=None, timeout=5):
        self.peer = socket.create_connection((host, port), timeout, source_address=(source, 0) if source else None)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        interface = uuid.UUID(shim.KMS).bytes_le
        body = struct.pack("<HHIB3x", 5840, 5840, 0, len(OFFERED))
        for number, (syntax, version) in enumerate(OFFERED):
            body += struct.pack("<HBx16sI16sI", number, 1, interface, 1, syntax, version)
        self.peer.sendall(pdu(BIND, 2, body, 0x13))
        self.answer, self.call = read_pdu(self.peer), 2

    def is_bound(self):
        if not self.answer or self.answer[2] != BIND_ACK:
            return False
        return 0 in self.results()[:2]

    def results(self):
        at = 26 + struct.unpack_from("<H", self.answer, 24)[0]
        at += -at % 4
        return [struct.unpack_from("<H", self.answer, at + 4 + 24 * n)[0] for n in range(self.answer[at])]

    def ask(self, message):
        """What a request is answered with: an HRESULT and the message, or nothing."""
        context = self.results().index(0)
        stub = shim.encode_request_stub({"message": message.hex(), "syntax": (32, 64)[context], "big": False})
        stub = bytes.fromhex(stub["stub"])
        self.peer.sendall(pdu(REQUEST, self.call, struct.pack("<IHH", len(stub), context, 0) + stub))
        self.call += 1
        answer = read_pdu(self.peer)
        if not answer:
            return None
        stub = {"stub": answer[24:].hex(), "syntax": (32, 64)[context], "big": False}
        told = shim.decode_response_stub(stub)
        return told["hresult"], bytes.fromhex(told["message"])

    def close(self):
        self.peer.close()


# ---------------------------------------------------------------------------------------------------------------------
# The host.


def opened(answer):
    """IV, plaintext and the end of the body of an answer in version 6."""
    plain = shim.V6.cbc_decrypt(answer[4:20], answer[20:])
    return answer[:20], bytearray(plain), 44 + struct.unpack_from("<I", plain, 4)[0]


def sealed(head, plain, end, *, sign=True):
    if sign:
        client_time = struct.unpack_from("<Q", plain, end - 20)[0]
        signed = shim.V6.decrypt(head[4:]) + bytes(plain[: end + 72])
        plain[end + 72 : end + 88] = shim.slot_hmac(client_time, 0, signed)
    return head + shim.V6.cbc_encrypt(head[4:], bytes(plain))


def wrong_hash(answer):
    head, plain, end = opened(answer)
    plain[end + 16] ^= 0x01
    return sealed(head, plain, end)


def wrong_hmac(answer):
    head, plain, end = opened(answer)
    plain[end + 87] ^= 0x01
    return sealed(head, plain, end, sign=False)


def wrong_echo(answer):
    """The answer names another machine."""
    head, plain, end = opened(answer)
    plain[end - 36] ^= 0x01
    return sealed(head, plain, end)


def bind_ack(bind, results=None):
    """Takes NDR64 as Windows does, or says what `results` say of each context."""
    case = {"bind": bind.hex(), "ndr64": True, "port": "1688", "assoc_group_id": secrets.randbelow(1 << 31)}
    ack = bytearray.fromhex(shim.encode_bind_ack(case)["pdu"])
    for number, (result, reason) in enumerate(results or []):
        at = len(ack) - 24 * (len(results) - number)
        ack[at : at + 24] = struct.pack("<HH20x", result, reason)
    return bytes(ack)


def refused_interface(bind):
    return bind_ack(bind, [(2, 1)] * 3)


def refused_syntaxes(bind):
    return bind_ack(bind, [(2, 2), (2, 2), (3, 3)])


def bind_nak(bind):
    """A local limit is reached; version 5.0 would be understood."""
    return pdu(BIND_NAK, struct.unpack_from("<I", bind, 12)[0], struct.pack("<H3B", 2, 1, 5, 0))


class Host:
    """Listens in the namespace where it is made.

    `products` are those that it has a key for (all); `skew` is how far a clock may be off in seconds (any); `change`
    is done to each answer; `instead` is what happens instead of one: silence, drop, reset. `count` is what it counts,
    or a set of the CMIDs that it knows, to which each one that asks is added.
    """

    def __init__(self, address, port=1688, *, bind=bind_ack, products=None, skew=0, count=50, change=None, instead=None):
        self.bind, self.skew, self.count, self.change, self.instead = bind, skew, count, change, instead
        self.has = None if products is None else {PRODUCTS[name][2] for name in products}
        # How far the clock of the story is ahead of the machine's, in nanoseconds.
        self.ahead = lambda: 0
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with peer, contextlib.suppress(ConnectionError):
            while asked := read_pdu(peer):
                if asked[2] == BIND:
                    peer.sendall(self.bind(asked))
                elif self.instead is None:
                    peer.sendall(self.answer(asked))
                elif self.instead == "drop":
                    return
                elif self.instead == "reset":
                    # Closed with a linger time of none, a socket is reset.
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return

    def answer(self, asked):
        call_id, context = struct.unpack_from("<I", asked, 12)[0], struct.unpack_from("<H", asked, 20)[0]
        how = {"syntax": (32, 64)[context], "big": False}
        message = shim.decode_request_stub({"stub": asked[24:].hex(), **how})["message"]
        try:
            answer, hresult = self.respond(message), 0
        except shim.Refused as refused:
            answer, hresult = b"", refused.answer["hresult"]
        stub = shim.encode_response_stub({"message": answer.hex(), "hresult": hresult, **how})
        stub = bytes.fromhex(stub["stub"])
        return pdu(RESPONSE, call_id, struct.pack("<IHBB", len(stub), context, 0, 0) + stub)

    def respond(self, message):
        count = self.count
        with contextlib.suppress(shim.Refused):
            asked = shim.decode_request({"message": message})
            if isinstance(count, set):
                count.add(asked["cmid"])
        product = ""
        if self.has is not None:
            product = asked["kms_id"] if asked["kms_id"] in self.has else str(uuid.UUID(int=0))
        answer = shim.respond(
            {
                "request": message,
                "product": product,
                "max_clock_skew": self.skew * 10_000_000,
                "now": (time.time_ns() + self.ahead()) // 100 + UNIX_EPOCH,
                "epid": (TEST_EPID + "\0").encode("utf-16-le").hex(),
                "count": len(count) if isinstance(count, set) else count,
                "activation_interval": 120,
                "renewal_interval": 10080,
                "salt": secrets.token_hex(16),
                "r": secrets.token_hex(16),
                "hwid": TEST_HWID.hex(),
            }
        )
        answer = bytes.fromhex(answer["response"])
        return answer if self.change is None else self.change(answer)
