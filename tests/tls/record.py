#!/usr/bin/env python3
"""Records the TLS sessions beside this file: an openssl client and server on the loopback, a relay between them.

Each file has the pieces of both directions in the order in which they came, the client's key log, and what both sides
wrote. Certificates are made here and thrown away. The sessions differ in their random values each time:

    tests/tls/record.py [NAME...]
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
IDLE = 0.35  # seconds without a byte after which a side is taken to wait

ASK = ("c", "GET /hosts HTTP/1.1\r\nHost: test.example\r\n\r\n")
ANSWER = ("s", "HTTP/1.1 200 OK\r\nContent-Length: 1200\r\n\r\n" + "volume " * 170 + "activation")
TALK = [ASK, ANSWER, ("c", "again\n"), ("s", "and again\n")]
UPDATE = ("c", "K\n", "command")  # KeyUpdate that asks for one
UPDATE_ONE_WAY = ("c", "k\n", "command")
RENEGOTIATE = ("c", "R\n", "command")


def tls12(cipher, certificate="rsa", **more):
    return {"server": ["-tls1_2", "-cipher", cipher], "client": ["-tls1_2", "-cipher", cipher],
            "certificate": certificate, "talk": TALK, **more}


def tls13(suite, **more):
    more = {"talk": TALK, "certificate": "ec", **more}
    return {**more, "server": ["-tls1_3", "-ciphersuites", suite, *more.get("server", [])],
            "client": ["-tls1_3", "-ciphersuites", suite, *more.get("client", [])]}


AES_128, AES_256 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"
CHACHA = "TLS_CHACHA20_POLY1305_SHA256"
OLD = "DEFAULT@SECLEVEL=0"

SESSIONS = {
    "tls12_ecdhe_rsa_aes128": tls12("ECDHE-RSA-AES128-GCM-SHA256"),
    "tls12_ecdhe_ecdsa_aes256": tls12("ECDHE-ECDSA-AES256-GCM-SHA384", "ec"),
    "tls12_ecdhe_rsa_chacha20": tls12("ECDHE-RSA-CHACHA20-POLY1305"),
    "tls12_rsa_aes128": tls12("AES128-GCM-SHA256"),
    "tls12_dhe_rsa_aes256": tls12("DHE-RSA-AES256-GCM-SHA384"),
    "tls12_resumed": tls12("ECDHE-RSA-AES128-GCM-SHA256", resumes=True),
    "tls12_renegotiated": tls12("ECDHE-ECDSA-AES128-GCM-SHA256", "ec", extra_server=["-client_renegotiation"])
    | {"talk": [*TALK, RENEGOTIATE, ("c", "behind it\n")]},
    "tls12_cbc": tls12("ECDHE-RSA-AES128-SHA256"),
    "tls10": {"server": ["-tls1", "-cipher", OLD], "client": ["-tls1", "-cipher", OLD], "certificate": "ec",
              "talk": TALK},
    "tls13_aes128": tls13(AES_128),
    "tls13_aes256": tls13(AES_256),
    "tls13_chacha20": tls13(CHACHA),
    "tls13_alpn": tls13(AES_128, server=["-alpn", "http/1.1"], client=["-alpn", "h2,http/1.1"]),
    "tls13_key_update": tls13(AES_128, talk=[ASK, UPDATE, ANSWER, ("c", "one\n"), UPDATE_ONE_WAY, ("c", "two\n"),
                                             ("s", "three\n"), UPDATE, ("s", "four\n"), ("c", "five\n")]),
    "tls13_key_update_aes256": tls13(AES_256, talk=[ASK, UPDATE, ANSWER, ("c", "one\n")]),
    "tls13_retried": tls13(AES_256, server=["-groups", "P-384"], client=["-groups", "X25519:P-384"]),
    "tls13_client_certificate": tls13(AES_128, server=["-Verify", "1"], client=["-cert", "CERT", "-key", "KEY"]),
    "tls13_resumed": tls13(CHACHA, resumes=True),
    "tls13_early_data": tls13(AES_128, server=["-early_data"], resumes=True, early="early bird\n"),
    # The server asks for another group, and with it refuses the early data.
    "tls13_early_data_refused": tls13(AES_128, server=["-early_data"], resumes=True, early="early bird\n",
                                      resumed_client=["-groups", "X25519:P-384"],
                                      resumed_server=["-groups", "P-384"]),
    "tls13_padded": tls13(AES_128, server=["-record_padding", "64"], client=["-record_padding", "100"]),
}


class Relay:
    """Takes one connection after the other, and keeps what goes through it."""

    def __init__(self, to):
        self.to, self.pieces, self.last, self.done = to, [], time.monotonic(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.to))
        for side, source, sink in (("c", client, server), ("s", server, client)):
            threading.Thread(target=self.copy, args=(side, source, sink), daemon=True).start()

    def copy(self, side, source, sink):
        while True:
            try:
                piece = source.recv(65536)
            except OSError:
                piece = b""
            self.last = time.monotonic()
            if not piece:
                break
            self.pieces.append((side, piece.hex()))
            sink.sendall(piece)
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.done += 1

    def settle(self):
        time.sleep(IDLE)
        while time.monotonic() - self.last < IDLE:
            time.sleep(0.05)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def start(arguments, log):
    return subprocess.Popen(["openssl", *arguments], stdin=subprocess.PIPE, stdout=log, stderr=log)


def say(process, text):
    process.stdin.write(text.encode())
    process.stdin.flush()


def talk(folder, port, client_arguments, script, log):
    """One connection through a relay of its own: its pieces and its key log."""
    relay = Relay(port)
    keys = folder / "keys.log"
    keys.unlink(missing_ok=True)
    arguments = ["s_client", "-connect", f"127.0.0.1:{relay.port}", "-servername", "test.example",
                 "-keylogfile", str(keys), *client_arguments]
    client = start(arguments, log)
    relay.settle()
    for sender, text, *_ in script:
        say(client if sender == "c" else talk.server, text)
        relay.settle()
    say(client, "Q\n")
    client.wait(timeout=10)
    relay.settle()
    return relay.pieces, keys.read_text()


def record(name, session, folder, log):
    certificate = session["certificate"]
    paths = {"CERT": str(folder / f"{certificate}.pem"), "KEY": str(folder / f"{certificate}.key")}
    fill = lambda arguments: [paths.get(argument, argument) for argument in arguments]

    def serve(more):
        port = free_port()
        server = start(["s_server", "-accept", f"127.0.0.1:{port}", "-cert", paths["CERT"], "-key", paths["KEY"],
                        *fill(session["server"]), *session.get("extra_server", []), *more], log)
        time.sleep(0.6)
        talk.server = server
        return port, server

    client = fill(session["client"])
    script = session["talk"]
    if session.get("resumes"):
        # The ticket of a connection before; its server has to be the same one, for its key.
        first = str(folder / "session")
        port, server = serve(session.get("resumed_server", []))
        talk(folder, port, [*client, "-sess_out", first, *session.get("resumed_client", [])], [ASK, ("s", "so\n")], log)
        more = ["-sess_in", first, *session.get("resumed_client", [])]
        if "early" in session:
            (folder / "early").write_text(session["early"])
            more += ["-early_data", str(folder / "early")]
        pieces, keys = talk(folder, port, [*client, *more], script, log)
    else:
        port, server = serve([])
        pieces, keys = talk(folder, port, client, script, log)
    server.kill()
    server.wait()
    said = {side: "".join(text for who, text, *kind in script if who == side and not kind) for side in "cs"}
    keys = [line for line in keys.splitlines() if not line.startswith("#")]
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout
    content = {"tool": " ".join(version.split()[:2]), "server": session["server"], "client": session["client"],
               "early": session.get("early", ""), "said": said, "key_log": keys, "pieces": pieces}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items() if key != "pieces"]
    rows = ",\n".join(json.dumps(piece) for piece in pieces)
    text = "{\n" + ",\n".join(lines) + ',\n"pieces": [\n' + rows + "\n]\n}\n"
    (HERE / f"{name}.json").write_text(text)
    print(name, len(text), "bytes", len(pieces), "pieces")


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for kind, key in (("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test.example", "-newkey",
                            *key, "-keyout", folder / f"{kind}.key", "-out", folder / f"{kind}.pem"],
                           check=True, capture_output=True)
        with open(folder / "log", "wb") as log:
            for name in sys.argv[1:] or SESSIONS:
                record(name, SESSIONS[name], folder, log)


if __name__ == "__main__":
    main()
