#!/usr/bin/env python3
"""Makes everything in captures/mak: real HTTP traffic between real clients and a test server, all of it on loopback.

    python3 captures/mak/make/record.py [NAME...]

Needs Debian's tshark (dumpcap, editcap), curl, openssl, iproute2, ethtool and, for mak_kms, vlmcsd and vlmcs; takes
zeep, requests and mitmproxy from the package index into target/mak-venv. It runs in a network namespace of its own in
which the activation service's name means loopback, hence as root. Times, ports and random numbers differ each time.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

sys.dont_write_bytecode = True

import messages as m
import pcapng
from server import Plan, Server

HERE = pathlib.Path(__file__).resolve()
OUT = HERE.parents[1]
VENV = HERE.parents[3] / "target" / "mak-venv"
SYNTHETIC = "synthetic: recorded on loopback by captures/mak/make/record.py against a test server"
HOST = "activation.sls.microsoft.com"
HOST_V2 = "activation-v2.sls.microsoft.com"
LIMIT = 60_000
TEMP = None


# ---------------------------------------------------------------------------------------------------------------------
# The machinery: a namespace, a capture, clients, truth.


def prepare(arguments):
    """Installs what is missing, then starts this script again where it records."""
    tools = {"dumpcap": "tshark", "tshark": "tshark", "curl": "curl", "openssl": "openssl", "ethtool": "ethtool"}
    missing = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    if missing:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=True)
    if not (VENV / "bin" / "mitmdump").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "-q", "zeep", "requests", "mitmproxy"], check=True)
    os.execvp("unshare", ["unshare", "-n", "-m", VENV / "bin" / "python", HERE, "--inside", *arguments])


def enter():
    """A loopback that is cut into packets as a network is, and the service's names on it."""
    hosts = TEMP / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST} {HOST_V2}\n")
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "link", "set", "lo", "mtu", "1500"],
        ["ethtool", "-K", "lo", "tso", "off", "gso", "off", "gro", "off"],
        ["mount", "--bind", hosts, "/etc/hosts"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


class Recording:
    """What is captured between enter and exit, under one name, with the truth about it."""

    def __init__(self, name, *, port=80, host="127.0.0.1", tls=None, also=(), notes=(), embed=None, sealed=False):
        self.name, self.port, self.notes = name, port, list(notes)
        self.server = Server(port, host=host, tls=tls)
        self.filter = " or ".join(f"tcp port {p}" for p in also or [port])
        self.keys = OUT / f"{name}.keys" if tls is not None and not sealed else None
        self.embed = embed
        self.more = {}

    def __enter__(self):
        self.raw = TEMP / f"{self.name}.pcapng"
        if self.keys is not None:
            self.keys.write_text(f"# {SYNTHETIC}\n")
        command = ["dumpcap", "-q", "-i", "lo", "-f", self.filter, "-w", self.raw]
        self.dumpcap = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.dumpcap.stderr:
            if line.startswith("File:"):
                break
        time.sleep(0.4)
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.dumpcap.kill()
            return
        self.settle()
        self.dumpcap.send_signal(signal.SIGINT)
        said = self.dumpcap.communicate()[1]
        if not re.search(r"received/dropped on interface .*: (\d+)/0 \(pcap:0/dumpcap:0/", said):
            raise SystemExit(f"{self.name}: packets were dropped:\n{said}")
        self.server.close()
        capture = OUT / f"{self.name}.pcapng"
        capture.write_bytes(pcapng.label(self.raw.read_bytes(), SYNTHETIC))
        truth = {
            "capture": capture.name,
            "synthetic": SYNTHETIC,
            "server_port": self.port,
            "keys": self.keys.name if self.keys else None,
            "connections": self.server.connections,
            "exchanges": [arranged(e) for e in self.server.log],
            **self.more,
            "notes": self.notes,
        }
        save(self.name, truth)
        check(capture, truth, self.keys)
        if self.embed is not None:
            self.embed_keys(capture, truth)

    def settle(self):
        """Waits until all connections are over and what was captured of them is written."""
        for _ in range(100):
            if self.server.open == 0:
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{self.name}: a connection is still open")
        size = -1
        while size != (size := self.raw.stat().st_size):
            time.sleep(0.6)

    def embed_keys(self, capture, truth):
        both = TEMP / f"{self.embed}.pcapng"
        subprocess.run(["editcap", "--inject-secrets", f"tls,{self.keys}", capture, both], check=True)
        embedded = OUT / both.name
        embedded.write_bytes(pcapng.label(both.read_bytes(), SYNTHETIC))
        note = f"the packets of {capture.name}, with its secrets in a decryption secrets block"
        truth = truth | {"capture": embedded.name, "keys": "embedded", "notes": [note, *self.notes]}
        save(self.embed, truth)
        check(embedded, truth, None)

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


def agree(entry, status, body):
    """What a client got is what the server says it sent."""
    if status != entry["http_status"] or hashlib.sha256(body).hexdigest() != entry["response_body"]["sha256"]:
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
    "response", "fault", "outcome", "note",
]  # fmt: skip


def arranged(entry):
    unknown = set(entry) - set(FIELDS)
    if unknown:
        raise SystemExit(f"fields without a place: {unknown}")
    return {name: entry[name] for name in FIELDS if name in entry}


def save(name, truth):
    (OUT / "truth" / f"{name}.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")


def check(capture, truth, keys):
    """Asks tshark whether the file is whole and shows the statuses that the truth lists. It changes no truth."""
    size = capture.stat().st_size
    if size > LIMIT:
        raise SystemExit(f"{capture.name}: {size} bytes")
    options = ["-o", f"tls.keylog_file:{keys}"] if keys else []

    def fields(shown, *names):
        command = ["tshark", "-n", "-r", capture, *options, "-Y", shown, "-T", "fields"]
        done = subprocess.run([*command, *(f"-e{n}" for n in names)], capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    opened = {row[0] for row in fields("tcp.flags.syn==1 && tcp.flags.ack==0", "tcp.stream")}
    ended = {row[0] for row in fields("tcp.flags.fin==1 || tcp.flags.reset==1", "tcp.stream")}
    if opened != ended:
        raise SystemExit(f"{capture.name}: streams {opened - ended} have no end")
    shown = [int(c) for row in fields("http.response", "http.response.code") for c in row[0].split(",")]
    sent = [s for e in truth["exchanges"] for s in [*e.get("interim", []), e["http_status"]] if s]
    remark = "" if shown == sent else f"; tshark shows {shown}, sent were {sent}"
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
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.1)
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
    with Recording("mak_batch", notes=["a confirmation ID and a remaining count, each in a connection of its own"]) as r:
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
    notes = ["every known error code of a batch, then an unknown one, in one connection; every other comes with a BatchId"]
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


def main(arguments):
    global TEMP, CURL
    if arguments[:1] != ["--inside"]:
        prepare(arguments)
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
