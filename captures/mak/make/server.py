"""The test server: HTTP/1.1 by hand, so that every way to frame, encode or break an answer can be asked for.

What it answers follows from the request, unless a `Plan` was laid out for it. Everything it understood and did goes
into `log`, one entry for each exchange, in order; that, not the capture, is what the truth files are made from.
"""

import base64
import binascii
import contextlib
import gzip
import hashlib
import pathlib
import socket
import struct
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from xml.etree import ElementTree

import messages as m

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
CONTENT_TYPE = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
HTML = "<html><head><title>{0} {1}</title></head><body><h1>{1}</h1><p>synthetic</p></body></html>"
WSDL = pathlib.Path(__file__).with_name("batch_activation.wsdl")


@dataclass
class Plan:
    """How one request is to be answered, where that differs from the plain answer."""

    status: int | None = None
    html: bool = False
    # Item errors by index; a batch error; the batch's id; what an item says instead of the truth (None: left out).
    item_errors: dict = field(default_factory=dict)
    batch_error: str | None = None
    batch_id: str | None = m.BATCH_ID
    echo: dict = field(default_factory=dict)
    remaining: int = 42
    cdata: bool = False
    declaration: bool = True
    # A SOAP fault: code, reason, and perhaps hresult, messages, soap.
    fault: dict | None = None
    # length, chunked, close (the end of the connection ends the body)
    transfer: str = "length"
    chunk: int = 512
    extension: bytes = b""
    trailer: bytes = b""
    # gzip, deflate (zlib), deflate-raw
    encoding: str | None = None
    # empty, close, reset, cut (half the body, then the end), early (answered instead of 100 Continue)
    action: str | None = None
    keep_alive: bool = True
    # Sizes of the single writes; what is left then goes at once.
    writes: list = field(default_factory=list)
    trust_digest: bool = False
    headers: list = field(default_factory=list)


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list
    body: bytes = b""
    chunked: bool = False
    expect: bool = False

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), None)


class Server:
    """A server on one port of one address, with TLS if it is given a context."""

    def __init__(self, port, *, host="127.0.0.1", tls=None):
        self.port, self.tls = port, tls
        self.plans, self.log, self.connections, self.open = deque(), [], [], 0
        self.listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    def plan(self, *plans):
        self.plans.extend(plans)

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while not self.closed:
            try:
                peer, address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer, address[1]), daemon=True).start()

    def serve(self, peer, client_port):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.settimeout(20)
        entry = {"client_port": client_port, "server_port": self.port}
        self.connections.append(entry)
        self.open += 1
        try:
            if self.tls is not None:
                peer = self.tls.wrap_socket(peer, server_side=True)
                entry["tls"] = {"version": peer.version(), "cipher": peer.cipher()[0]}
            stream = peer.makefile("rb")
            while self.exchange(peer, stream, client_port):
                pass
            finish(peer)
        except OSError as error:
            # A client that went away; what it made of that is the recording's business.
            print(f"  (server: {type(error).__name__}: {error})")
            peer.close()
        finally:
            self.open -= 1

    def exchange(self, peer, stream, client_port):
        """One request and its answer; whether the connection goes on."""
        request = read_head(stream)
        if request is None:
            return False
        plan = self.plans.popleft() if self.plans else Plan()
        if request.expect and plan.action != "early":
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if plan.action != "early":
            read_body(stream, request)
        entry = {"client_port": client_port, **describe(request)}
        if request.expect:
            entry["interim"] = [] if plan.action == "early" else [100]
        if plan.action in ("close", "reset"):
            entry.update(http_status=None, response=None, outcome="unanswered")
            if plan.action == "reset":
                # Closed with a linger time of none, a socket is reset.
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.log.append(entry)
            stream.close()
            if plan.action == "close":
                finish(peer)
            peer.close()
            return False
        status, headers, body, told = answer(request, plan, entry)
        entry.update(told)
        return self.send(peer, request, plan, status, headers, body, entry)

    def send(self, peer, request, plan, status, headers, body, entry):
        transfer = "close" if request.version == "HTTP/1.0" else plan.transfer
        close = (
            transfer == "close"
            or plan.action in ("early", "cut")
            or not plan.keep_alive
            or (request.header("connection") or "").lower() == "close"
        )
        coded = encode(body, plan.encoding)
        head = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Synthetic')}",
            "Server: synthetic",
            "Cache-Control: private, max-age=0",
        ]
        head += [f"{name}: {value}" for name, value in headers + plan.headers]
        if plan.encoding is not None:
            head.append(f"Content-Encoding: {plan.encoding.removesuffix('-raw')}")
        if transfer == "chunked":
            head.append("Transfer-Encoding: chunked")
            if plan.trailer:
                head.append("Trailer: " + plan.trailer.decode().partition(":")[0])
            payload = chunks(coded, plan)
        else:
            if transfer == "length":
                head.append(f"Content-Length: {len(coded)}")
            payload = coded
        if close:
            head.append("Connection: close")
        head = ("\r\n".join(head) + "\r\n\r\n").encode()
        entry.update(
            http_status=status,
            response_framing={"transfer": transfer, "encoding": plan.encoding},
            response_body=fingerprint(body),
        )
        if plan.action == "cut":
            payload = payload[: len(payload) // 2]
            entry.update(response=None, response_body=None, response_sent=len(payload), outcome="cut")
        # Logged first: the client may be gone to its next connection before this thread runs again.
        self.log.append(entry)
        write(peer, head + payload, plan.writes)
        return not close


def finish(peer):
    """An orderly end: what the client still has to say is read, so that nothing is reset."""
    with contextlib.suppress(OSError):
        if hasattr(peer, "unwrap"):
            peer = peer.unwrap()
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(4096):
            pass
    peer.close()


def write(peer, data, sizes, pause=0.0004):
    """Sends in pieces of these sizes, the rest at once."""
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        peer.sendall(data[at : at + size])
        at += size
        time.sleep(pause)
    if at < len(data):
        peer.sendall(data[at:])


def read_head(stream):
    """A request's first line and headers; of an answer, the first line's words stand in the same places."""
    line = stream.readline()
    if not line:
        return None
    method, target, version = line.decode("latin-1").split(maxsplit=2)
    headers = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    request = Request(method, target, version.strip(), headers)
    request.chunked = (request.header("transfer-encoding") or "").lower() == "chunked"
    request.expect = (request.header("expect") or "").lower() == "100-continue"
    return request


def read_body(stream, request):
    if not request.chunked:
        request.body = stream.read(int(request.header("content-length") or 0))
        return
    pieces = []
    while size := int(stream.readline().partition(b";")[0], 16):
        pieces.append(stream.read(size))
        stream.readline()
    while stream.readline() not in (b"\r\n", b""):
        pass
    request.body = b"".join(pieces)


def encode(body, encoding):
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    if encoding == "deflate":
        return zlib.compress(body)
    if encoding == "deflate-raw":
        compressor = zlib.compressobj(wbits=-15)
        return compressor.compress(body) + compressor.flush()
    return body


def chunks(body, plan):
    out = b""
    for at in range(0, len(body), plan.chunk):
        piece = body[at : at + plan.chunk]
        out += b"%x%s\r\n%s\r\n" % (len(piece), plan.extension, piece)
    return out + b"0\r\n" + (plan.trailer + b"\r\n" if plan.trailer else b"") + b"\r\n"


def fingerprint(body):
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def describe(request):
    """What a request asks, as far as the server understands it."""
    entry = {
        "method": request.method,
        "target": request.target,
        "http_version": request.version,
        "service": None,
        "soap": None,
        "request_framing": {"transfer": "chunked" if request.chunked else "length", "encoding": None},
        "request_body": fingerprint(request.body),
    }
    path = request.target
    if path.startswith("http://"):
        path = "/" + path.removeprefix("http://").partition("/")[2]
    path = path.partition("?")[0].lower()
    services = {where.partition("?")[0].lower(): name for name, (where, _, _) in m.TOKEN_SERVICES.items()}
    services[m.BATCH_PATH.lower()] = "BatchActivate"
    if request.method != "POST" or path not in services:
        return entry
    entry["service"] = services[path]
    entry["soap_action"] = (request.header("soapaction") or "").strip('"') or None
    if not request.body:
        return entry
    root = ElementTree.fromstring(request.body)
    entry["soap"] = next(v for v, namespace in m.SOAP_NAMESPACE.items() if root.tag == f"{{{namespace}}}Envelope")
    if entry["service"] == "BatchActivate":
        describe_batch(root, entry)
    else:
        describe_token(root, entry)
    return entry


def describe_batch(root, entry):
    try:
        document = base64.b64decode("".join(m.text_of(root, "RequestXml").split()), validate=True)
        entry["request_type"], items = m.parse_inner(document)
    except (binascii.Error, ElementTree.ParseError, TypeError, ValueError):
        entry.update(request_type=None, items=[], digest=m.text_of(root, "Digest"), digest_valid=None)
        return
    entry["items"] = [{"pid": pid, "iid": iid} for pid, iid in items]
    entry["digest"] = m.text_of(root, "Digest")
    entry["digest_valid"] = entry["digest"] == m.digest(document)
    entry["inner_request"] = fingerprint(document)


def describe_token(root, entry):
    entry["token_type"] = m.text_of(root, "TokenType")
    for name, where in (("use_key", "UseKey"), ("claims", "Claims")):
        values = m.children(root, where)[0]
        entry[name] = [[m.text_of(t, "Name"), m.text_of(t, "Value")] for t in m.children(values, "TokenEntry")]
    array = next((v for e in m.children(m.children(root, "Claims")[0], "Values") for v in e.attrib.values()), "")
    entry["claims_declared"] = int(array.partition("[")[2].rstrip("]") or 0)


def answer(request, plan, known):
    """Status, headers, body, and what the truth says of them."""
    soap = known["soap"] or "1.1"
    content_type = CONTENT_TYPE[soap]
    fault = plan.fault
    if plan.action == "empty":
        return 200, [], b"", {"response": None, "outcome": "empty"}
    if plan.html:
        body = HTML.format(plan.status, REASONS[plan.status]).encode()
        return plan.status, [("Content-Type", "text/html")], body, {"response": None, "outcome": "http-error"}
    if known["service"] is None:
        if request.method == "GET" and request.target.lower().endswith("?wsdl"):
            return 200, [("Content-Type", content_type)], WSDL.read_bytes(), {"response": None, "outcome": "other"}
        body = HTML.format(404, REASONS[404]).encode()
        return 404, [("Content-Type", "text/html")], body, {"response": None, "outcome": "http-error"}
    if fault is None and known["service"] == "BatchActivate":
        if known["request_type"] not in (1, 2):
            fault = {"code": "Client", "reason": "synthetic: the request cannot be read"}
        elif not known["digest_valid"] and not plan.trust_digest:
            fault = {"code": "Client", "reason": "synthetic: the digest does not fit"}
    if fault is not None:
        soap = fault.get("soap", soap)
        content_type = CONTENT_TYPE[soap]
        told = {"hresult": fault.get("hresult"), "messages": list(fault.get("messages", ()))}
        body = m.fault(fault["code"], fault["reason"], soap=soap, **told)
        code = m.fault_code(fault["code"], soap)
        truth = {"soap": soap, "code": code, "reason": fault["reason"], **told}
        return (
            plan.status or 500,
            [("Content-Type", content_type)],
            body,
            {"response": None, "fault": truth, "outcome": "fault"},
        )
    if known["service"] == "BatchActivate":
        body, truth, outcome = answer_batch(known, plan, soap)
    else:
        text = m.licence(known["service"])
        body = m.token_response(known["service"], text, soap=soap)
        truth, outcome = {"token_type": known["token_type"], "token": text}, "answered"
    return plan.status or 200, [("Content-Type", content_type)], body, {"response": truth, "outcome": outcome}


def answer_batch(known, plan, soap):
    items = []
    for index, asked in enumerate(known["items"]):
        item = {"pid": asked["pid"], "iid": asked["iid"], "cid": None, "remaining": None, "error": None}
        if index in plan.item_errors:
            item["error"] = plan.item_errors[index]
        elif known["request_type"] == 2:
            item["remaining"] = plan.remaining
        elif asked["iid"] in [*m.IIDS_63, *m.IIDS_54, m.IID_VECTOR]:
            item["remaining"], item["cid"] = -1, m.CID
        else:
            item["error"] = "0x90"
        changed = plan.echo.get(index, {})
        if changed is not None:
            items.append(item | changed)
    if plan.batch_error is not None:
        items = []
    inner = m.inner_response(
        known["request_type"],
        items,
        batch_error=plan.batch_error,
        batch_id=plan.batch_id,
        declaration=plan.declaration,
    )
    truth = {
        "type": known["request_type"],
        "batch_id": plan.batch_id,
        "items": items,
        "batch_error": plan.batch_error,
    }
    refused = plan.batch_error is not None or all(item["error"] is not None for item in items)
    return m.batch_response(inner, soap=soap, cdata=plan.cdata), truth, "refused" if refused else "answered"
