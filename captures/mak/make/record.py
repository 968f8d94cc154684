#!/usr/bin/env python3
"""Makes everything in captures/mak: real HTTP traffic between real clients and a test server, all of it on loopback.

    python3 captures/mak/make/record.py [NAME...]

Needs Python 3.11, Debian's tshark (dumpcap, editcap), curl, openssl, iproute2, ethtool, chromium and, for mak_kms, the
crates' vlmcsd and vlmcs; takes zeep, requests, mitmproxy and playwright from the package index into target/mak-venv. It
runs in a network namespace of its own in which the activation services' names mean loopback, hence as root. Times,
ports and random numbers differ each time.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve()
OUT = HERE.parents[1]
sys.path.append(str(HERE.parents[2] / "make"))

import messages as m
import pcapng
import stage
from dumpcap import Capture
from server import Plan, Server, fingerprint, read_body, read_head, write
from stage import wait_for

SYNTHETIC = "synthetic: recorded on loopback by captures/mak/make/record.py against a test server"
HOST = "activation.sls.microsoft.com"
HOST_V2 = "activation-v2.sls.microsoft.com"
LIMIT = 60_000
DEBIAN = {"dumpcap": "tshark", "ip": "iproute2"}
DEBIAN |= {tool: tool for tool in ("tshark", "curl", "openssl", "ethtool", "chromium")}
PYTHON = {package: package for package in ("zeep", "requests", "mitmproxy", "playwright")}
VENV = stage.TARGET / "mak-venv"
# Set at the start: a folder for what is thrown away, and curl's name.
TEMP = CURL = None


# ---------------------------------------------------------------------------------------------------------------------
# The machinery: a namespace, a capture, clients, truth.


def enter():
    """Loopback, and the service's names on it."""
    stage.loopback()
    hosts = TEMP / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST} {HOST_V2}\n")
    stage.bind(hosts, "/etc/hosts")


class Exchanges:
    """Clients and the test server, and what the two know of what passed between them."""

    def __init__(self, name, *, port=80, host="127.0.0.1", tls=None, sealed=False, notes=()):
        self.name, self.port, self.notes = name, port, list(notes)
        self.server = Server(port, host=host, tls=tls)
        self.keys = OUT / f"{name}.keys" if tls is not None and not sealed else None
        self.more = {}

    def __enter__(self):
        if self.keys is not None:
            self.keys.write_text(f"# {SYNTHETIC}\n")
        return self

    def __exit__(self, kind, value, traceback):
        self.server.close()

    def settle(self):
        """Waits until all connections are over."""
        for _ in range(100):
            if self.server.open == 0:
                return
            time.sleep(0.05)
        raise SystemExit(f"{self.name}: a connection is still open")

    def truth(self, file):
        return {
            "capture": file.name,
            "synthetic": SYNTHETIC,
            "server_port": self.port,
            "keys": self.keys.name if self.keys else None,
            "connections": self.server.connections,
            "exchanges": [arranged(e) for e in self.server.log],
            **self.more,
            "notes": self.notes,
        }

    @contextlib.contextmanager
    def by(self, client, **more):
        """What the server logs meanwhile was asked by this client."""
        before = len(self.server.log)
        yield
        for entry in self.server.log[before:]:
            entry["client"] = client
            entry.update(more)

    def curl(self, *calls, options=(), expect=0, **more):
        """One run of curl, all calls after each other; checks that curl got what the server says it sent."""
        command = ["curl", "-q"]
        for number, call in enumerate(calls):
            command += ["--next"] if number else []
            command += ["-sS", "-k", "--max-time", "20", "-o", str(TEMP / f"answer{number}")]
            command += ["-w", "%{http_code} %{local_port}\n", *options]
            for name, value in call.headers:
                command += ["-H", f"{name}: {value}"]
            body = TEMP / f"body{number}"
            body.write_bytes(call.body)
            (TEMP / f"answer{number}").write_bytes(b"")
            command += ["--data-binary", f"@{body}", call.url]
        environment = dict(os.environ)
        if self.keys is not None:
            environment["SSLKEYLOGFILE"] = str(self.keys)
        before = len(self.server.log)
        with self.by(CURL, **more):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != expect:
            raise SystemExit(f"{self.name}: curl ended with {done.returncode}: {done.stderr}")
        entries = self.server.log[before:]
        if expect == 0:
            for number, (entry, line) in enumerate(zip(entries, done.stdout.splitlines(), strict=True)):
                got = (TEMP / f"answer{number}").read_bytes()
                agree(entry, int(line.split()[0]), got)
        for entry in entries:
            entry["client_exit"] = done.returncode
        return [int(line.split()[1]) for line in done.stdout.splitlines()]

    def through_proxy(self, *calls, proxy, via, options=()):
        """The same through a proxy, whose port is the one that is captured: the connection is the client's to it."""
        before = len(self.server.log)
        ports = self.curl(*calls, options=["-x", f"http://127.0.0.1:{proxy}", *options], via=via)
        for entry, port in zip(self.server.log[before:], ports, strict=True):
            entry["client_port"] = port
            if via == "absolute-form":
                entry["target"] = f"http://{HOST}{entry['target']}"
            if port not in [c["client_port"] for c in self.more.setdefault("connections", [])]:
                self.more["connections"].append({"client_port": port, "server_port": proxy})
        self.more["server_port"] = proxy


class Recording(Exchanges):
    """Exchanges that are captured between enter and exit."""

    def __init__(self, name, *, also=(), embed=None, **how):
        super().__init__(name, **how)
        self.filter = " or ".join(f"tcp port {p}" for p in also or [self.port])
        self.embed = embed

    def __enter__(self):
        self.capture = Capture(TEMP / f"{self.name}.pcapng", "lo", self.filter)
        return super().__enter__()

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.capture.abandon()
            return
        self.settle()
        packets = self.capture.stop()
        super().__exit__(kind, value, traceback)
        capture = OUT / f"{self.name}.pcapng"
        capture.write_bytes(pcapng.label(packets, SYNTHETIC))
        truth = self.truth(capture)
        save(self.name, truth)
        check(capture, truth, self.keys)
        if self.embed is not None:
            self.embed_keys(capture, truth)

    def embed_keys(self, capture, truth):
        both = TEMP / f"{self.embed}.pcapng"
        subprocess.run(["editcap", "--inject-secrets", f"tls,{self.keys}", capture, both], check=True)
        embedded = OUT / both.name
        embedded.write_bytes(pcapng.label(both.read_bytes(), SYNTHETIC))
        note = f"the packets of {capture.name}, with its secrets in a decryption secrets block"
        truth = truth | {"capture": embedded.name, "keys": "embedded", "notes": [note, *self.notes]}
        save(self.embed, truth)
        check(embedded, truth, None)


def agree(entry, status, body):
    """What a client got is what the server says it sent."""
    if status != entry["http_status"] or fingerprint(body) != entry["response_body"]:
        raise SystemExit(f"client and server disagree: {status}, {body!r}, {entry}")


@dataclass
class Call:
    url: str
    headers: list
    body: bytes


def batch(
    request_type,
    items,
    *,
    soap="1.1",
    quoted=True,
    key=m.DIGEST_KEY,
    spoil=None,
    scheme="http",
    headers=(),
    **form,
):
    """A call of BatchActivate; `spoil` changes digest and document before they are sent."""
    document = m.inner_request(request_type, items, **form)
    digest = m.digest(document, key)
    if spoil is not None:
        digest, document = spoil(digest, document)
    body = m.batch_request(document, digest, soap=soap)
    return Call(f"{scheme}://{HOST}{m.BATCH_PATH}", [*m.batch_headers(soap, quoted=quoted), *headers], body)


def one(request_type=1, iid=m.IID, pid=m.PID, **more):
    return batch(request_type, [(pid, iid if request_type == 1 else None)], **more)


def token(service, *, host=HOST, scheme="http", path=None, declared=None, soap="1.1"):
    body, _ = m.token_request(service, m.claims(service), declared=declared, soap=soap)
    return Call(f"{scheme}://{host}{path or m.TOKEN_SERVICES[service][0]}", m.token_headers(service), body)


FIELDS = [
    "client", "client_exit", "client_port", "via", "http_version", "method", "target", "service", "soap", "soap_action",
    "request_framing", "interim", "request_body", "request_type", "items", "digest", "digest_valid", "inner_request",
    "token_type", "use_key", "claims", "claims_declared", "http_status", "response_framing", "response_body",
    "response_sent", "response", "fault", "outcome", "note",
]  # fmt: skip


def arranged(entry):
    unknown = set(entry) - set(FIELDS)
    if unknown:
        raise SystemExit(f"fields without a place: {unknown}")
    return {name: entry[name] for name in FIELDS if name in entry}


def save(name, truth):
    (OUT / "truth" / f"{name}.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")


def check(capture, truth, keys):
    """Asks tshark, who knows nothing of the truth, whether the file is whole and shows what the truth lists."""
    size = capture.stat().st_size
    if size > LIMIT:
        raise SystemExit(f"{capture.name}: {size} bytes")
    tshark = ["tshark", "-n", "-r", capture, *(["-o", f"tls.keylog_file:{keys}"] if keys else [])]

    def fields(shown, name):
        command = [*tshark, "-Y", shown, "-T", "fields", "-e", name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    opened = set(fields("tcp.flags.syn==1 && tcp.flags.ack==0", "tcp.stream"))
    ended = set(fields("tcp.flags.fin==1 || tcp.flags.reset==1", "tcp.stream"))
    if opened != ended or len(opened) != len(truth["connections"]) + truth.get("kms", {}).get("connections", 0):
        raise SystemExit(f"{capture.name}: {len(opened)} connections, {len(ended)} have an end")
    shown = [int(code) for line in fields("http.response", "http.response.code") for code in line.split(",")]
    sent = [s for e in truth["exchanges"] for s in [*e.get("interim", []), e["http_status"]] if s]
    remark = "" if shown == sent else f"; tshark shows {shown}, sent were {sent}"
    # The bodies: every one of the truth's, decoded, byte for byte.
    objects = TEMP / f"{capture.stem}.objects"
    subprocess.run([*tshark, "-q", "--export-objects", f"http,{objects}"], capture_output=True, check=True)
    found = Counter(fingerprint(path.read_bytes())["sha256"] for path in objects.iterdir())
    bodies = [e.get(half) for e in truth["exchanges"] for half in ("request_body", "response_body")]
    known = Counter(body["sha256"] for body in bodies if body and body["bytes"])
    if found != known:
        remark += (
            f"; tshark lacks {(known - found).total()} of {known.total()} bodies, has {(found - known).total()} others"
        )
    count = len(truth["exchanges"])
    print(f"{capture.name}: {size} bytes, {len(opened)} connections, {count} exchanges{remark}", flush=True)


def version(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def certificate():
    """A key and a certificate of our own for the activation service's name, made anew and thrown away."""
    key, cert = TEMP / "key.pem", TEMP / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
        + ["-subj", f"/O=synthetic test server/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
        + ["-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


def tls(*, newest=ssl.TLSVersion.TLSv1_3, curve=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(*certificate())
    context.set_ciphers("DEFAULT:@SECLEVEL=1")
    if curve is not None:
        context.set_ecdh_curve(curve)
    return context


@contextlib.contextmanager
def mitmdump(port, *options):
    """mitmproxy as the proxy on this port; what it writes at its end is there at the end."""
    command = [VENV / "bin" / "mitmdump", "-q", "-p", str(port), "--set", f"confdir={TEMP / 'mitmproxy'}", *options]
    process = subprocess.Popen(command)
    wait_for(port)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


# ---------------------------------------------------------------------------------------------------------------------
# The recordings.

RECORDINGS = {}


def recording(function):
    RECORDINGS[function.__name__] = function
    return function


@recording
def mak_batch():
    with Recording(
        "mak_batch", notes=["a confirmation ID and a remaining count, each in a connection of its own"]
    ) as r:
        r.curl(one(1))
        r.curl(one(2))
        r.curl(one(1, m.IIDS_54[0]), one(2), one(1, m.IIDS_63[2]), note="several requests in one connection")


@recording
def mak_batch_mixed():
    with Recording("mak_batch_mixed", notes=["several items in one call, some of them refused"]) as r:
        items = [(m.PID, m.IID), (m.PID, m.IIDS_54[1]), (m.PID_MASKED, m.IIDS_63[3]), (m.PID, m.IIDS_WRONG[0])]
        r.server.plan(Plan(item_errors={1: "0x67", 2: "0x7F"}))
        r.curl(batch(1, items))
        r.server.plan(Plan(item_errors={0: "0xC004C017"}, cdata=True))
        r.curl(batch(1, [(m.PID, m.IIDS_63[4]), (m.PID, m.IIDS_WRONG[1])]), note="every item refused; CDATA")
        r.server.plan(Plan(item_errors={1: "0x68"}, remaining=0, declaration=False))
        r.curl(batch(2, [(m.PID, None), (m.PID_MASKED, None), (m.PID_VECTOR, None)]), note="no inner declaration")


@recording
def mak_zeep():
    import requests
    import zeep

    with Recording("mak_zeep", notes=["the WSDL is ours: make/batch_activation.wsdl"]) as r:
        for soap, port in (("1.1", "BatchActivationSoap"), ("1.2", "BatchActivationSoap12")):
            with r.by(f"zeep {zeep.__version__}"), requests.Session() as session:
                transport = zeep.transports.Transport(session=session)
                client = zeep.Client(f"http://{HOST}{m.BATCH_PATH}?WSDL", transport=transport)
                service = client.bind("BatchActivation", port)
                for items in ([(m.PID, m.IID)], [(m.PID, None)]):
                    document = m.inner_request(1 if items[0][1] else 2, items)
                    encoded = base64.b64encode(document).decode()
                    got = service.BatchActivate(request={"Digest": m.digest(document), "RequestXml": encoded})
                    if m.BATCH_ID not in got or r.server.log[-1]["soap"] != soap:
                        raise SystemExit(f"zeep got {got!r}")


def post(session, call):
    # The response holds the connection open as long as it lives: it ends here.
    got = session.post(call.url, data=call.body, headers=dict(call.headers))
    return got.status_code, got.content


@recording
def mak_item_errors():
    import requests

    notes = ["every known error code of an item, then an unknown one, in one connection"]
    with (
        Recording("mak_item_errors", notes=notes) as r,
        r.by(f"requests {requests.__version__}"),
        requests.Session() as session,
    ):
        for number, code in enumerate([*m.ERROR_CODES, "0x1a2b"]):
            r.server.plan(Plan(item_errors={0: code}))
            call = one(1 + number % 2, m.IIDS_63[number % 7])
            status, body = post(session, call)
            agree(r.server.log[-1], status, body)


@recording
def mak_batch_errors():
    notes = [
        "every known error code of a batch, then an unknown one, in one connection; every other comes with a BatchId"
    ]
    name = f"http.client of Python {sys.version.split()[0]}"
    with Recording("mak_batch_errors", notes=notes) as r, r.by(name):
        connection = http.client.HTTPConnection(HOST)
        for number, code in enumerate([*m.ERROR_CODES, "0xFFFFFFFF"]):
            r.server.plan(Plan(batch_error=code, batch_id=m.BATCH_ID if number % 2 else None))
            call = one(2 - number % 2, m.IIDS_54[number % 5])
            connection.request("POST", m.BATCH_PATH, call.body, dict(call.headers))
            got = connection.getresponse()
            agree(r.server.log[-1], got.status, got.read())
        connection.close()


@recording
def mak_internet():
    notes = ["the four steps and the one-shot activation; the claims of the four steps are a made-up choice"]
    with Recording("mak_internet", notes=notes) as r:
        for service in ("SPC", "RAC", "PKC", "EUL"):
            r.curl(token(service))
        path = m.TOKEN_SERVICES["ProductActivation"][0]
        for extension in ("Retail", "DM"):
            r.curl(token("ProductActivation", host=HOST_V2, path=path.replace("Retail", extension)))


FAULTS = [
    ("ProductActivation", "Retail", "0xC004C003", ["synthetic: the key is blocked"]),
    ("ProductActivation", "o14", "0xC004C008", ["synthetic: the key is used up", "synthetic: <second> & message"]),
    ("ProductActivation", "o16", "0xC004B100", []),
    ("ProductActivation", "DM", "0xC004C060", ["synthetic: the key is blocked for good"]),
    ("PKC", None, "0xc004c001", ["synthetic: lower case"]),
    ("SPC", None, "0xC004B001", ["synthetic"]),
]


@recording
def mak_internet_faults():
    with Recording("mak_internet_faults", notes=["faults of the token services, HTTP 500 but for one"]) as r:
        for service, extension, hresult, told in FAULTS:
            path = m.TOKEN_SERVICES[service][0].replace("Retail", extension or "")
            status = 200 if hresult == "0xC004C060" else 500
            fault = {"code": "Server", "reason": "synthetic", "hresult": hresult, "messages": told}
            r.server.plan(Plan(status=status, fault=fault))
            r.curl(token(service, path=path))
        fault = {"code": "Server", "reason": "synthetic", "hresult": "0x80004005", "messages": ["synthetic"]}
        r.server.plan(Plan(fault=fault))
        r.curl(token("RAC", declared=9), note="arrayType names more claims than there are")
        r.server.plan(Plan(fault=fault))
        r.curl(token("EUL", soap="1.2"), note="an envelope of SOAP 1.2")


CIPHERS_13 = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]
CIPHERS_12 = ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"]


@recording
def mak_tls13():
    notes = ["three cipher suites, one in each connection"]
    with Recording("mak_tls13", port=443, tls=tls(), embed="mak_tls13_dsb", notes=notes) as r:
        r.curl(one(1, scheme="https"), one(2, scheme="https"), options=["--tls13-ciphers", CIPHERS_13[0]])
        r.server.plan(Plan(transfer="chunked", encoding="gzip"))
        r.curl(one(1, m.IIDS_54[2], scheme="https"), options=["--compressed", "--tls13-ciphers", CIPHERS_13[1]])
        call = token("ProductActivation", scheme="https")
        r.curl(call, options=["--tls13-ciphers", CIPHERS_13[2]])


@recording
def mak_tls13_retry():
    notes = ["the server has no key share of the group the client sent one for: HelloRetryRequest"]
    with Recording("mak_tls13_retry", port=443, tls=tls(curve="secp384r1"), notes=notes) as r:
        r.curl(one(1, scheme="https"))


@recording
def mak_tls12():
    notes = ["three cipher suites, one in each connection"]
    context = tls(newest=ssl.TLSVersion.TLSv1_2)
    with Recording("mak_tls12", port=443, tls=context, notes=notes) as r:
        r.curl(one(1, scheme="https"), one(2, scheme="https"), options=["--ciphers", CIPHERS_12[0]])
        r.server.plan(Plan(transfer="chunked", encoding="gzip"))
        r.curl(one(1, m.IIDS_54[2], scheme="https"), options=["--compressed", "--ciphers", CIPHERS_12[1]])
        r.curl(token("ProductActivation", scheme="https"), options=["--ciphers", CIPHERS_12[2]])


@recording
def mak_tls12_cbc():
    notes = ["a cipher suite that is not AEAD: AES-128-CBC with HMAC-SHA1, encrypt-then-MAC"]
    context = tls(newest=ssl.TLSVersion.TLSv1_2)
    with Recording("mak_tls12_cbc", port=443, tls=context, notes=notes) as r:
        r.curl(one(1, scheme="https"), options=["--ciphers", "ECDHE-ECDSA-AES128-SHA"])


@recording
def mak_tls_sealed():
    notes = ["nobody kept the keys of these: a connection of TLS 1.3 and one of TLS 1.2 stay sealed"]
    with Recording("mak_tls_sealed", port=443, tls=tls(), sealed=True, notes=notes) as r:
        r.curl(one(1, scheme="https"))
        r.curl(one(1, scheme="https"), options=["--tls-max", "1.2"])


@recording
def mak_bodies():
    with Recording("mak_bodies", notes=["the ways to frame and to encode a body"]) as r:
        r.curl(one(1, headers=[("Transfer-Encoding", "chunked")]))
        for plan in (
            Plan(transfer="chunked", encoding="gzip"),
            Plan(encoding="gzip"),
            Plan(transfer="chunked", encoding="deflate", chunk=100),
            Plan(encoding="deflate"),
            Plan(encoding="deflate-raw"),
        ):
            r.server.plan(plan)
            r.curl(one(1), options=["--compressed"])
        r.server.plan(Plan(transfer="chunked", chunk=300, extension=b";synthetic=1", trailer=b"X-Synthetic: 1\r\n"))
        r.curl(one(2), note="chunk extensions and a trailer")
        r.server.plan(Plan(transfer="close"))
        r.curl(one(2))
        r.curl(one(2), options=["--http1.0"])
        items = [(m.PID, iid) for iid in m.IIDS_63 + m.IIDS_54]
        r.curl(batch(1, items, headers=[("Expect", "100-continue")]), note="all published IIDs")


def as_bytes(call, *, host=HOST):
    """A call as a request without any header that is not needed."""
    lines = [f"POST {m.BATCH_PATH} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in call.headers]
    lines += [f"Content-Length: {len(call.body)}", "", ""]
    return "\r\n".join(lines).encode() + call.body


def read_answers(r, peer, count):
    """Reads the answers to the first so many requests and compares them with what the server says of them."""
    stream = peer.makefile("rb")
    for at in range(count):
        head = read_head(stream)
        read_body(stream, head)
        agree(r.server.log[at], int(head.target), head.body)
    stream.close()


@recording
def mak_pipelined():
    notes = ["over IPv6; four requests in two writes, the second of which begins inside the third request"]
    with Recording("mak_pipelined", host="::1", notes=notes) as r, r.by("a raw socket"):
        r.server.plan(Plan(), Plan(transfer="chunked", chunk=200), Plan(item_errors={0: "0x7F"}), Plan())
        calls = [one(1), one(2), one(1, m.IIDS_54[3]), one(1, m.IIDS_63[5])]
        requests = [as_bytes(call) for call in calls]
        together = b"".join(requests)
        cut = len(requests[0]) + len(requests[1]) + 700
        with socket.create_connection(("::1", 80)) as peer:
            peer.sendall(together[:cut])
            time.sleep(0.05)
            peer.sendall(together[cut:])
            read_answers(r, peer, len(calls))


@recording
def mak_segmented():
    notes = [
        "one exchange in very small segments: the request's first line byte by byte, then pieces of 2 to 31 bytes;"
        " the answer's first lines byte by byte, the rest in pieces of 5 to 37 bytes of chunks of 64"
    ]
    with Recording("mak_segmented", notes=notes) as r, r.by("a raw socket"):
        r.server.plan(Plan(transfer="chunked", chunk=64, writes=[1] * 40 + [5, 11, 23, 37] * 30))
        with socket.create_connection((HOST, 80)) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            write(peer, as_bytes(one(2)), [1] * 60 + [2, 31, 7, 13, 29, 3, 17] * 30)
            read_answers(r, peer, 1)


@recording
def mak_digest():
    notes = ["digests that do not fit; the server refuses them with a fault, but for the one it was told to trust"]
    with Recording("mak_digest", notes=notes) as r:
        r.curl(one(1))
        changed = {"A": "B"}
        r.curl(
            one(1, spoil=lambda d, doc: (changed.get(d[0], "A") + d[1:], doc)), note="one byte of the digest changed"
        )
        right, wrong = (iid.encode("utf-16-le") for iid in (m.IIDS_63[1], m.IIDS_WRONG[0]))
        r.server.plan(Plan(trust_digest=True))
        r.curl(
            one(1, m.IIDS_63[1], spoil=lambda d, doc: (d, doc.replace(right, wrong))),
            note="one digit of the document changed after the digest was made; the server does not look",
        )
        r.curl(one(2, encoding="utf-8", pid=m.PID_VECTOR), note="the inner document is UTF-8, the digest over it fits")
        utf8 = m.inner_request(2, [(m.PID_VECTOR, None)], encoding="utf-8")
        r.curl(
            one(2, pid=m.PID_VECTOR, spoil=lambda d, doc: (m.digest(utf8), doc)),
            note="the digest is over UTF-8 bytes, the document is UTF-16",
        )
        r.curl(one(2, pid=m.PID_VECTOR, key=m.DIGEST_KEY[:16]), note="only the first 16 bytes of the key")
        r.curl(
            one(2, spoil=lambda d, doc: (m.digest(base64.b64encode(doc)), doc)), note="the digest is over the base64"
        )
        r.curl(one(2, spoil=lambda d, doc: ("", doc)), note="an empty digest")


@recording
def mak_forms():
    vector = {"pid": m.PID_VECTOR, "iid": m.IID_VECTOR}
    with Recording("mak_forms", notes=["one request in many spellings; the four test vectors first"]) as r:
        r.curl(one(2, **vector), one(1, **vector), one(1, indent=True, **vector), one(2, indent=True, **vector))
        r.curl(one(1, quoted=False), note="SOAPAction and charset without quotes")
        r.curl(one(1, prefix="ar"), note="the inner document has a prefix")
        r.curl(one(2, prefix="ar", indent=True, pid=m.PID_MASKED), note="a prefix, CRLF, a masked PID")
        r.curl(one(1, soap="1.2"))
        call = one(1)
        start = call.body.index(b"<RequestXml>") + len(b"<RequestXml>")
        end = call.body.index(b"</RequestXml>")
        wrapped = b"\r\n".join(call.body[at : min(at + 76, end)] for at in range(start, end, 76))
        call.body = call.body[:start] + b"\r\n" + wrapped + b"\r\n" + call.body[end:]
        call.body = call.body.replace(b"soap:", b"SOAP-ENV:").replace(b"xmlns:soap=", b"xmlns:SOAP-ENV=")
        r.curl(call, note="base64 in lines of 76 characters, another prefix of the envelope")


@recording
def mak_failures():
    with Recording("mak_failures", also=[80, 8080], notes=["answers that are none"]) as r:
        for status in (503, 404, 500):
            r.server.plan(Plan(status=status, html=True))
            r.curl(one(1))
        r.server.plan(Plan(action="empty"))
        r.curl(one(1))
        r.server.plan(Plan(action="early", status=503, html=True))
        r.curl(one(1, headers=[("Expect", "100-continue")]), note="answered instead of 100 Continue: no body was sent")
        r.server.plan(Plan(action="close"))
        r.curl(one(1), expect=52)
        r.server.plan(Plan(action="reset"))
        r.curl(one(1), expect=56)
        r.server.plan(Plan(action="cut"))
        r.curl(one(1), expect=18, note="the connection ends in the middle of the body")
        r.server.plan(Plan(action="cut", transfer="chunked", encoding="gzip"))
        r.curl(one(1), expect=18, note="the connection ends in the middle of a chunk")
        call = one(1)
        call.url = call.url.replace(HOST, f"{HOST}:8080")
        r.curl(call, expect=7, options=["--local-port", "40080"])
        r.server.connections.append({"client_port": 40080, "server_port": 8080, "refused": True})
        r.notes.append("the last connection is refused: nobody listens on port 8080")


@recording
def mak_faults():
    with Recording("mak_faults", notes=["SOAP faults of batch activation in both versions"]) as r:
        for soap in ("1.1", "1.2"):
            r.server.plan(Plan(fault={"code": "Server", "reason": "synthetic: something is wrong"}))
            r.curl(one(1, soap=soap))
            hresult = {"hresult": "0x80131509", "messages": ["synthetic: <wrong> & known"]}
            fault = {"code": "Client", "reason": "synthetic: the request is wrong", **hresult}
            r.server.plan(Plan(fault=fault, status=400 if soap == "1.2" else 500))
            r.curl(one(2, soap=soap))
        r.server.plan(Plan(fault={"code": "Server", "reason": "synthetic: a fault with status 200"}, status=200))
        r.curl(one(1))
        r.server.plan(Plan(fault={"code": "Server", "reason": "synthetic: the other version", "soap": "1.1"}))
        r.curl(one(1, soap="1.2"), note="asked in SOAP 1.2, the fault is SOAP 1.1")
        r.curl(
            one(1, spoil=lambda d, doc: (d, doc[:100])),
            note="the inner document is cut; its items cannot be known",
        )


@recording
def mak_echo():
    two = [(m.PID, m.IID), (m.PID_VECTOR, m.IIDS_54[4])]
    with Recording("mak_echo", notes=["answers about other identifiers than were asked about"]) as r:
        r.curl(batch(1, two))
        for echo, note in (
            ({0: {"pid": m.PID_VECTOR}}, "another PID"),
            ({1: {"iid": m.IIDS_63[6]}}, "another IID"),
            ({0: {"pid": two[1][0], "iid": two[1][1]}, 1: {"pid": two[0][0], "iid": two[0][1]}}, "the items swapped"),
            ({1: None}, "one item is missing"),
        ):
            r.server.plan(Plan(echo=echo))
            r.curl(batch(1, two), note=note)
        r.server.plan(Plan(echo={0: {"pid": m.PID_MASKED}}))
        r.curl(one(2), note="the PID comes back masked")
        r.server.plan(Plan(echo={0: {"iid": None}}))
        r.curl(one(1), note="the IID does not come back")


PROXY = 3128


@recording
def mak_proxy():
    notes = ["between curl and mitmproxy as a plain proxy; what passes between proxy and server is not captured"]
    with mitmdump(PROXY, "--mode", "regular"), Recording("mak_proxy", also=[PROXY], notes=notes) as r:
        r.through_proxy(one(1), one(2), proxy=PROXY, via="absolute-form")
        r.server.plan(Plan(item_errors={0: "0x67"}))
        r.through_proxy(one(1, m.IIDS_54[0]), proxy=PROXY, via="absolute-form")
        r.through_proxy(token("ProductActivation"), proxy=PROXY, via="absolute-form")


@recording
def mak_connect():
    notes = ["CONNECT to mitmproxy, which passes everything on; TLS 1.3 inside. CONNECT itself is not listed"]
    with (
        mitmdump(PROXY, "--mode", "regular", "--ignore-hosts", ".*"),
        Recording("mak_connect", port=443, tls=tls(), also=[PROXY], notes=notes) as r,
    ):
        r.through_proxy(one(1, scheme="https"), one(2, scheme="https"), proxy=PROXY, via="connect")


@recording
def mak_kms():
    notes = ["two KMS exchanges of version 6 (vlmcs to vlmcsd, port 1688) among those of MAK"]
    vlmcsd, vlmcs = map(stage.tool, ("vlmcsd", "vlmcs"))
    if vlmcsd is None or vlmcs is None:
        print("mak_kms: left as it is: needs vlmcsd and vlmcs")
        return
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([vlmcsd, "-L", "127.0.0.1:1688"], **quiet) as host:
        wait_for(1688)
        with Recording("mak_kms", also=[80, 1688], notes=notes) as r:
            r.curl(one(2))
            kms = subprocess.Popen([vlmcs, "-6", "-n", "2", "127.0.0.1:1688"], stdout=subprocess.PIPE, text=True)
            r.curl(one(1))
            said = kms.communicate()[0]
            r.curl(token("ProductActivation"))
            if said.count("ePID") != 2:
                raise SystemExit(f"mak_kms: vlmcs said {said!r}")
            r.more["kms"] = {"port": 1688, "version": "6.0", "connections": 1, "exchanges": 2}
        host.terminate()


def save_har(r, path):
    """Labels a HAR file and writes its truth."""
    har = json.loads(path.read_text())
    har["log"]["comment"] = SYNTHETIC
    out = OUT / f"{r.name}.har"
    out.write_text(json.dumps(har, indent=1, ensure_ascii=False) + "\n")
    r.more["connections"] = []
    truth = r.truth(out)
    for entry in truth["exchanges"]:
        # The port is the proxy's, which no reader of the file can know.
        entry.pop("client_port")
    save(r.name, truth)
    shown = [entry["response"]["status"] for entry in har["log"]["entries"]]
    sent = [entry["http_status"] for entry in truth["exchanges"]]
    remark = "" if shown == sent else f"; it shows {shown}, sent were {sent}"
    print(f"{out.name}: {out.stat().st_size} bytes, {len(shown)} entries{remark}", flush=True)


@recording
def mak_mitmproxy():
    notes = ["written by mitmproxy as a reverse proxy before the server"]
    har = TEMP / "mitmproxy.har"
    reverse = ["--mode", "reverse:http://127.0.0.1:80", "--set", "keep_host_header=true", "--set", f"hardump={har}"]
    with Exchanges("mak_mitmproxy", notes=notes) as r:
        with mitmdump(8081, *reverse):

            def curl(call, *options, **more):
                r.curl(call, options=["--connect-to", "::127.0.0.1:8081", *options], **more)

            curl(one(1))
            save_bodies("mak_request.xml", "mak_response.xml", r.server.log[-1])
            curl(one(2))
            r.server.plan(Plan(item_errors={1: "0x7F"}))
            curl(batch(1, [(m.PID, m.IID), (m.PID_MASKED, m.IIDS_54[1])]))
            r.server.plan(Plan(batch_error="0x80131600"))
            curl(one(1))
            save_bodies(None, "mak_response_error.xml", r.server.log[-1])
            r.server.plan(Plan(transfer="chunked", encoding="gzip"))
            curl(one(1, soap="1.2"), "--compressed")
            curl(one(1, spoil=lambda d, doc: (m.digest(b""), doc)))
            r.server.plan(Plan(status=503, html=True))
            curl(one(1))
            curl(token("SPC"))
            curl(token("ProductActivation", host=HOST_V2))
            fault = {"code": "Server", "reason": "synthetic", "hresult": "0xC004C008", "messages": ["synthetic"]}
            r.server.plan(Plan(fault=fault))
            curl(token("ProductActivation"))
            r.settle()
        save_har(r, har)


# One script for the page: it sends the calls one after the other and gives back status and text of the answers.
SEND = """async calls => {
    const answers = [];
    for (const [url, headers, body] of calls) {
        const answer = await fetch(url, {method: 'POST', headers, body});
        answers.push([answer.status, await answer.text()]);
    }
    return answers;
}"""


@recording
def mak_chromium():
    from playwright.sync_api import sync_playwright

    notes = ["written by Playwright from what Chromium saw; a page sends the calls"]
    har = TEMP / "chromium.har"
    plans = [Plan(), Plan(), Plan(item_errors={0: "0x67"}), Plan(transfer="chunked", encoding="gzip"), Plan()]
    plans += [Plan(status=503, html=True), Plan(action="empty"), Plan()]
    calls = [one(1), one(2), one(1), one(1, soap="1.2"), one(1, key=bytes(32)), one(1), one(1)]
    calls.append(token("ProductActivation"))
    with Exchanges("mak_chromium", notes=notes) as r, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with r.by(f"Chromium {browser.version}"):
            context = browser.new_context(record_har_path=har, record_har_content="embed")
            page = context.new_page()
            page.goto(f"http://{HOST}/")
            # A browser asks for an icon, too, and its exporter does not tell.
            page.wait_for_timeout(1000)
            r.server.log[:] = [entry for entry in r.server.log if entry["target"] != "/favicon.ico"]
            r.server.plan(*plans)
            got = page.evaluate(SEND, [[c.url, dict(c.headers), c.body.decode()] for c in calls])
            context.close()
        browser.close()
        for entry, (status, text) in zip(r.server.log[1:], got, strict=True):
            agree(entry, status, text.encode())
        r.settle()
        save_har(r, har)


def save_bodies(request, response, entry):
    """The bodies of curl's latest exchange as files, each with the truth of the half that it is."""
    asked = ["service", "soap", "request_type", "items", "digest", "digest_valid", "inner_request"]
    for name, source, fields in (
        (request, "body0", asked),
        (response, "answer0", ["service", "soap", "response", "outcome"]),
    ):
        if name is not None:
            shutil.copyfile(TEMP / source, OUT / name)
            half = {field: entry[field] for field in fields}
            save(name.removesuffix(".xml"), {"capture": name, "synthetic": SYNTHETIC, "exchanges": [half]})


def main(arguments):
    global TEMP, CURL
    if arguments[:1] != ["--inside"]:
        stage.prepare(HERE, arguments, debian=DEBIAN, venv=VENV.name, python=PYTHON)
    names = arguments[1:] or list(RECORDINGS)
    (OUT / "truth").mkdir(exist_ok=True)
    CURL = " ".join(version("curl", "--version").split()[:2])
    with tempfile.TemporaryDirectory() as folder:
        TEMP = pathlib.Path(folder)
        enter()
        for name in names:
            RECORDINGS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
