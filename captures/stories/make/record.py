#!/usr/bin/env python3
"""Makes everything in captures/stories: whole stories of machines that activate or do not, one ending in each file.

    python3 captures/stories/make/record.py [NAME...]

Needs what captures/discovery, captures/directory and captures/mak need, whose scripts this one uses, and Debian's
dnsmasq, nginx, nftables and faketime. It runs in namespaces of its own, hence as root. Ids, times, ports and keys
differ each time. Where a story lasts hours, its packets' times are moved, and its programs' clocks with them.
"""

import contextlib
import datetime
import importlib.util
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve()
OUT = HERE.parents[1]
sys.path += [str(HERE.parents[2] / folder) for folder in ("make", "mak/make", "directory/make", "mixed/make")]

import kms
import messages as m
import pcapng
import recording
import stage
import tree
import vmbus
from server import Plan, Server

SYNTHETIC = "synthetic: recorded by captures/stories/make/record.py between programs in namespaces of their own"
WRITTEN = "synthetic: written by captures/stories/make/record.py, not recorded; what the AVMA channel carries is made up"
LIMIT = 60_000
DEBIAN = {"dnsmasq": "dnsmasq-base", "nginx": "nginx-light", "nft": "nftables", "faketime": "faketime", "curl": "curl"}
SERVER = [f"10.77.0.{host}/24" for host in (10, 11, 12, 13, 14, 15, 38, 53, 55, 80)]
SERVER += ["20.118.99.224/32", "23.102.135.246/32", "fd77::10/64"]
CLIENT = [f"10.77.0.{host}/24" for host in range(100, 114)] + ["fd77::100/64"]
DNS, DNSMASQ, DC = "10.77.0.53", "10.77.0.55", "10.77.0.38"
HOST, SECOND, THIRD, FOURTH, NOBODY, FIFTH = (f"10.77.0.{host}" for host in (10, 11, 12, 13, 14, 15))
HOST_6, CLIENT_6 = "fd77::10", "fd77::100"
AZURE, AZURE_OLD = "20.118.99.224", "23.102.135.246"
MAK_HOST, MAK = "activation.sls.microsoft.com", "10.77.0.80"
PRO, ENTERPRISE, OFFICE = "Windows 10/11 Pro", "Windows 10/11 Enterprise", "Office Professional Plus 2019"
SERVER_2019, SERVER_2022, WINDOWS_7 = (
    "Windows Server 2019 Standard",
    "Windows Server 2022 Datacenter",
    "Windows 7 Enterprise",
)
WINDOWS_ONLY = [name for name in kms.PRODUCTS if name != OFFICE]
MINUTE, HOUR, DAY = 60, 3600, 86400
# Set at the start: a folder for what is thrown away, the cable, the scripts of other folders.
TEMP = CABLE = discovery = directory = mak = None


def script(name):
    """The script of another folder of recordings."""
    spec = importlib.util.spec_from_file_location(name, HERE.parents[2] / name / "make" / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------------------------------------------------
# The telling of a story.

STORIES = {}


def story(what, *, shown="port 53 or tcp port 1688 or icmp", recorded=True):
    """`what` says in a sentence what happens; `shown` is a capture filter."""

    def told(function):
        STORIES[f"story_{function.__name__}"] = function, what, shown, recorded
        return function

    return told


class Story:
    """What is done in it, and how it ends for each machine and product; the clock that its packets and programs go by."""

    def __init__(self, what):
        self.truth = {"what": what, "staged": True, "how": [], "stories": []}
        self.source = "10.77.0.100"
        # From when on, in nanoseconds of the machine's clock, the story's is ahead by how many.
        self.scenes = [(0, 0)]
        self.started = time.time()

    def how(self, text):
        self.truth["how"].append(text)

    def later(self, at):
        return next(ahead for since, ahead in reversed(self.scenes) if since <= at)

    def ahead(self):
        return self.scenes[-1][1]

    def at(self, seconds):
        """So many seconds after the story's beginning."""
        time.sleep(0.1)
        now = time.time()
        self.scenes.append((time.time_ns(), int((self.started + seconds - now) * 1_000_000_000)))
        self.how(f"at {datetime.timedelta(seconds=seconds)}:")

    def now(self):
        now = time.time_ns()
        return now + self.later(now)

    def machine(self, address):
        """Who speaks from now on."""
        self.source = address
        for network in ("10.77.0.0/24", f"{AZURE}/32", f"{AZURE_OLD}/32"):
            gateway = [] if network.endswith("/24") else ["via", DNS]
            stage.run("ip", "route", "replace", network, *gateway, "dev", "cl0", "src", address)

    def ends(self, ending, product=None, host=None, *, activated=False, **more):
        told = {"machine": self.source, "product": product}
        if product in kms.PRODUCTS:
            told["act_id"] = kms.PRODUCTS[product][1]
        self.truth["stories"].append({**told, "host": host, "ending": ending, "activated": activated} | more)

    # What machines do.

    def dig(self, name, kind, *, needs="", server=DNS):
        command = f"dig +nocookie @{server} {name} {kind}"
        self.how(command)
        return discovery.ask(command, needs=needs)

    def finds(self, domain="corp.example", host="kms1.corp.example", address=HOST):
        """The service's record, then the host's address."""
        self.dig(f"_vlmcs._tcp.{domain}", "SRV", needs=host)
        self.dig(host, "A", needs=address)

    def vlmcs(self, host, product=PRO, *, answered=True, clock=0, timeout=5, name="CLIENT01", port=1688):
        """The crate's client, its clock that of the story or off by `clock` seconds; what it said."""
        app_id, act_id, kms_id, needed, version = kms.PRODUCTS[product]
        command = ["vlmcs", f"-{version}", "-t", str(timeout), "-w", name, "--application-id", app_id]
        command += ["--activation-id", act_id, "--kms-id", kms_id, "--required-count", str(needed), f"{host}:{port}"]
        off = clock + round(self.ahead() / 1_000_000_000)
        if off:
            command = ["faketime", "-f", f"{off:+}s", *command]
        self.how(" ".join(command))
        done = subprocess.run(
            [stage.tool(word) if word == "vlmcs" else word for word in command],
            capture_output=True,
            text=True,
            env=os.environ | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"},
        )
        if answered != ("ePID" in done.stdout):
            raise SystemExit(f"{command}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def asks(self, host, product=PRO, *, name="CLIENT01", cmid=None, port=1688, **fields):
        """The client of kms.py; what it was answered."""
        cmid = cmid or str(uuid.uuid4())
        told = ", ".join(f"{field} {value}" for field, value in fields.items())
        self.how(f"kms.Client from {self.source} to {host}:{port}: {product}, CMID {cmid}, {name}{', ' if told else ''}{told}")
        client = kms.Client(host, port, source=self.source)
        answer = None
        if client.is_bound():
            with contextlib.suppress(ConnectionError, TimeoutError, struct.error, shim_refused()):
                answer = client.ask(kms.request(product, cmid, name, self.now(), **fields))
        client.close()
        return answer

    # Those that they talk to.

    @contextlib.contextmanager
    def vlmcsd(self, address=HOST, *options, port=1688):
        self.how(" ".join(["vlmcsd", "-L", f"{address}:{port}", *options]))
        with contextlib.ExitStack() as stack:
            with CABLE.at_server():
                process = stack.enter_context(stage.program(stage.tool("vlmcsd"), "-L", f"{address}:{port}", *options))
                stage.wait_for(port, address.strip("[]"))
            yield process

    @contextlib.contextmanager
    def host(self, address=HOST, port=1688, **how):
        shown = ", ".join(f"{name}={getattr(value, '__name__', value)}" for name, value in how.items())
        self.how(f"kms.Host at {address}:{port}: {shown}")
        with CABLE.at_server():
            host = kms.Host(address, port, **how)
        host.ahead = self.ahead
        with host:
            yield host

    @contextlib.contextmanager
    def rule(self, *texts):
        """Rules of the servers' firewall, of packets that come in."""
        with CABLE.at_server():
            stage.run("nft", "add", "table", "ip", "story")
            stage.run("nft", "add", "chain", "ip", "story", "in", "{ type filter hook input priority 0; }")
            for text in texts:
                self.how(f"nft add rule ip story in {text}")
                stage.run("nft", "add", "rule", "ip", "story", "in", *text.split())
        try:
            yield
        finally:
            with CABLE.at_server():
                stage.run("nft", "delete", "table", "ip", "story")


def shim_refused():
    return kms.shim.Refused


class StoryRecording(recording.Recording):
    """A recording whose packets have the story's times."""

    def __init__(self, name, story, shown):
        about = {"folder": OUT, "scratch": TEMP, "synthetic": SYNTHETIC, "limit": LIMIT, "layer": "frame"}
        super().__init__(name, shown=shown, truth=story.truth, **about)
        self.story = story

    def changed(self, data):
        return pcapng.retimed(data, self.story.later)


# ---------------------------------------------------------------------------------------------------------------------
# It activates.


@story("a host is found by its SRV record and answers: activated")
def activated(s):
    with s.vlmcsd():
        yield
        s.finds()
        s.vlmcs(HOST, ENTERPRISE)
        s.ends("activated", ENTERPRISE, f"{HOST}:1688", activated=True, found="dns")


@story("the host's name is configured, so that only its address is looked up: activated")
def activated_fixed_name(s):
    with s.vlmcsd():
        yield
        s.dig("kms1.corp.example", "A", needs=HOST)
        s.vlmcs(HOST, SERVER_2022)
        s.ends("activated", SERVER_2022, f"{HOST}:1688", activated=True, found="name")


@story("no DNS in the capture, version 4 of the protocol: activated", shown="tcp port 1688")
def activated_no_dns(s):
    with s.vlmcsd():
        yield
        s.vlmcs(HOST, WINDOWS_7)
        s.ends("activated", WINDOWS_7, f"{HOST}:1688", activated=True, found=None)


@story("over IPv6: a host is found by its SRV record and answers: activated", shown="port 53 or tcp port 1688")
def activated_ipv6(s):
    with s.vlmcsd(f"[{HOST_6}]"):
        yield
        s.dig("_vlmcs._tcp.corp.example", "SRV", needs="kms1.corp.example")
        s.dig("kms1.corp.example", "AAAA", needs=HOST_6)
        s.vlmcs(f"[{HOST_6}]", PRO)
        s.source = CLIENT_6
        s.ends("activated", PRO, f"[{HOST_6}]:1688", activated=True, found="dns")


@story("activated, and a week later renewed: licence status 1, its binding running out")
def renewed(s):
    cmid = str(uuid.uuid4())
    with s.vlmcsd():
        yield
        s.finds()
        s.asks(HOST, PRO, cmid=cmid)
        s.at(7 * DAY)
        s.asks(HOST, PRO, cmid=cmid, status=1, minutes=(180 - 7) * 1440)
        s.ends("renewed", PRO, f"{HOST}:1688", activated=True, found="dns", cmid=cmid)


@story("the first request and its repetitions are lost, a later one is answered: activated after retransmissions")
def retransmissions(s):
    with s.vlmcsd():
        yield
        s.finds()
        stop = threading.Event()

        def lose():
            with s.rule("tcp dport 1688 ip length > 250 drop"):
                stop.wait(1)

        thread = threading.Thread(target=lose)
        thread.start()
        time.sleep(0.2)
        s.vlmcs(HOST, PRO, timeout=10)
        stop.set()
        thread.join()
        s.ends("retransmissions", PRO, f"{HOST}:1688", activated=True)


@story("refused three times, two hours apart, then activated")
def retries(s):
    yield
    s.finds()
    for number in range(3):
        if number:
            s.at(number * 2 * HOUR)
        s.vlmcs(HOST, PRO, answered=False)
    with s.vlmcsd():
        # That the host listens by now was asked on the cable's other end.
        s.at(6 * HOUR)
        s.vlmcs(HOST, PRO)
    s.ends("retries", PRO, f"{HOST}:1688", activated=True, attempts=4, refused=3)


@story("activated by a host whose intervals are far from the defaults: retry after 5 minutes, renewal after 60")
def intervals(s):
    with s.vlmcsd(HOST, "--activation-interval", "5", "--renewal-interval", "60"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO)
        s.ends("intervals", PRO, f"{HOST}:1688", activated=True, activation_interval=5, renewal_interval=60)


@story("Windows in Azure: the name of Azure's host is looked up, the host answers: activated")
def azure_windows(s):
    with s.vlmcsd(AZURE):
        yield
        s.dig("azkms.core.windows.net", "A", needs=AZURE)
        s.vlmcs(AZURE, SERVER_2022)
        s.ends("azure_windows", SERVER_2022, f"{AZURE}:1688", activated=True, name="azkms.core.windows.net")


# ---------------------------------------------------------------------------------------------------------------------
# The host answers, and it does not help.


@story("the host has counted 3 clients, 25 are needed: no activation, 22 more have to ask")
def count_too_low(s):
    with s.vlmcsd(HOST, "--client-count", "3"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO)
        s.ends("count_too_low", PRO, f"{HOST}:1688", count=3, needed=25)


@story("five machines from one image, all with the same CMID: the host's count stays at 11")
def cloned(s):
    cmid = str(uuid.uuid4())
    known = {str(uuid.uuid4()) for _ in range(10)}
    with s.host(count=known):
        s.truth["how"][-1] = f"kms.Host at {HOST}:1688: counts CMIDs, knows 10 others"
        yield
        for number in range(5):
            s.machine(f"10.77.0.{101 + number}")
            s.at(number * 10 * MINUTE)
            s.asks(HOST, PRO, cmid=cmid, name=f"CLONE{number + 1}")
            s.ends("cloned", PRO, f"{HOST}:1688", cmid=cmid, count=11, needed=25)


@story("the host has keys of Windows only, Office asks: c004f042")
def no_key(s):
    with s.host(products=WINDOWS_ONLY):
        yield
        s.finds()
        s.vlmcs(HOST, OFFICE, answered=False)
        s.ends("no_key", OFFICE, f"{HOST}:1688", hresult="c004f042")


@story("Office asks Azure's host, which activates Windows only: c004f042")
def office_azure(s):
    with s.host(AZURE, products=WINDOWS_ONLY):
        yield
        s.dig("azkms.core.windows.net", "A", needs=AZURE)
        s.vlmcs(AZURE, OFFICE, answered=False)
        s.ends("office_azure", OFFICE, f"{AZURE}:1688", hresult="c004f042", name="azkms.core.windows.net")


@story("the client's clock is 5 hours slow: c004f06c")
def clock_skew(s):
    with s.host(skew=4 * HOUR):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, clock=-5 * HOUR, answered=False)
        s.ends("clock_skew", PRO, f"{HOST}:1688", hresult="c004f06c", seconds=-5 * HOUR)


@story("activated; it is the capture's clock that is a day ahead of the client's, and the host saw nothing wrong")
def capture_clock(s):
    with s.vlmcsd():
        yield
        s.finds()
        s.vlmcs(HOST, PRO)
        # The packets move, no program's clock does.
        s.scenes = [(0, DAY * 1_000_000_000)]
        s.how("the packets' times moved by a day, as editcap -t 86400 does it")
        s.ends("capture_clock", PRO, f"{HOST}:1688", activated=True, seconds=DAY)


@story("a request in version 7 of the protocol, which the host does not know: 8007000d")
def version_refused(s):
    with s.host():
        yield
        s.finds()
        s.asks(HOST, PRO, major=7)
        s.ends("version_refused", None, f"{HOST}:1688", hresult="8007000d", version="7.0")


@story("the answer's hash does not fit its salt: a genuine client rejects it")
def rejected_hash(s):
    with s.host(change=kms.wrong_hash):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("answer_rejected", PRO, f"{HOST}:1688", checks=["hash"])


@story("the answer's HMAC is wrong: a genuine client rejects it")
def rejected_hmac(s):
    with s.host(change=kms.wrong_hmac):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("answer_rejected", PRO, f"{HOST}:1688", checks=["hmac"])


@story("the answer names another machine's CMID: a genuine client rejects it")
def rejected_echo(s):
    with s.host(change=kms.wrong_echo):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("answer_rejected", PRO, f"{HOST}:1688", checks=["cmid_echo"])


@story(
    "two hosts: the first refuses, the second has counted 3 of 25; besides, the client's clock is 5 hours fast",
    shown="port 53 or tcp portrange 1688-1689",
)
def several(s):
    with s.vlmcsd(SECOND, "--client-count", "3", port=1689):
        yield
        s.dig("_vlmcs._tcp.branch.example", "SRV", needs="kms2.branch.example")
        s.vlmcs(HOST, PRO, clock=5 * HOUR, answered=False)
        s.vlmcs(SECOND, PRO, clock=5 * HOUR, port=1689)
        also = ["clock_skew", "refused"]
        s.ends("count_too_low", PRO, f"{SECOND}:1689", count=3, needed=25, seconds=5 * HOUR, also=also)


# ---------------------------------------------------------------------------------------------------------------------
# The host is not found, not reached, or not there.


def not_found(s, ending, zone, server=DNS, *, needs, again=False):
    yield
    for number in range(2):
        if number:
            s.at(2 * HOUR)
        s.dig(f"_vlmcs._tcp.{zone}", "SRV", needs=needs, server=server)
    s.ends(ending, None, None, name=f"_vlmcs._tcp.{zone}")


@story("the zone has the name but no SRV record of it: no host is known, asked twice")
def no_srv(s):
    yield from not_found(s, "no_srv", "none.example", needs="NOERROR")


@story("the name of the service does not exist (NXDOMAIN): no host is known, asked twice")
def nxdomain(s):
    yield from not_found(s, "nxdomain", "nowhere.corp.example", needs="NXDOMAIN")


@story("the name server fails (SERVFAIL): no host is known, asked twice")
def servfail(s):
    yield from not_found(s, "servfail", "broken.example", needs="SERVFAIL")


@story("the SRV record names a host that does not exist")
def srv_target_nxdomain(s):
    yield
    s.dig("_vlmcs._tcp.old.lab.example", "SRV", needs="gone.corp.example")
    for kind in ("A", "AAAA"):
        s.dig("gone.corp.example", kind, needs="NXDOMAIN")
    s.ends("srv_target_nxdomain", None, "gone.corp.example:1688", name="_vlmcs._tcp.old.lab.example")


@story("the host's address is known, a firewall drops each SYN: silence, four of them")
def srv_target_silent(s):
    with s.rule("tcp dport 1688 drop"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False, timeout=8)
        s.ends("srv_target_silent", None, f"{HOST}:1688")


@story("nobody listens on the host's port: refused by RST")
def refused(s):
    yield
    s.finds()
    s.vlmcs(HOST, PRO, answered=False)
    s.ends("refused", None, f"{HOST}:1688")


@story("the connection is reset when the request arrives")
def reset(s):
    with s.host(instead="reset"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("reset", PRO, f"{HOST}:1688")


@story("the host takes the request and never answers; the client gives up")
def silence(s):
    with s.host(instead="silence"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("silence", PRO, f"{HOST}:1688")


@story("the host's service hangs (stopped by a signal): connected, the bind is never answered")
def silence_stopped(s):
    with s.vlmcsd() as process:
        s.how("kill -STOP vlmcsd")
        process.send_signal(signal.SIGSTOP)
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("silence", None, f"{HOST}:1688")
        # What it says when it wakes up is not recorded.
        yield
        process.send_signal(signal.SIGCONT)


@story("the host closes the connection without an answer")
def dropped(s):
    with s.host(instead="drop"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("dropped", PRO, f"{HOST}:1688")


@contextlib.contextmanager
def cutting(s, end):
    """In front of vlmcsd: the answer to the bind whole, of the next one half, then the end."""

    def serve(peer):
        upstream = socket.create_connection(("127.0.0.1", 1689))
        with peer, upstream, contextlib.suppress(OSError):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for is_last in (False, True):
                upstream.sendall(kms.read_pdu(peer))
                answer = kms.read_pdu(upstream)
                peer.sendall(answer[: len(answer) // 2] if is_last else answer)
            time.sleep(0.05)
            if end == "RST":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def accept():
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            serve(peer)

    with s.vlmcsd("127.0.0.1", port=1689):
        s.how(f"a proxy at {HOST}:1688 that ends the connection ({end}) in the middle of the second PDU")
        with CABLE.at_server():
            listener = socket.create_server((HOST, 1688))
            threading.Thread(target=accept, daemon=True).start()
        yield
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@story("the answer is cut off in the middle, then the connection is reset")
def answer_cut(s):
    with cutting(s, "RST"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("answer_cut", PRO, f"{HOST}:1688", by="reset")


@story("the answer is cut off in the middle, then the connection is closed")
def answer_cut_fin(s):
    with cutting(s, "FIN"):
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("answer_cut", PRO, f"{HOST}:1688", by="close")


@story("a web server (nginx) listens on the host's port and answers the bind with HTTP 400")
def wrong_service(s):
    conf = discovery.configured(
        "nginx.conf",
        f"daemon off; pid {TEMP}/nginx.pid; error_log /dev/null; events {{}}\n"
        f"http {{ access_log off; server {{ listen {HOST}:1688; }} }}\n",
    )
    with contextlib.ExitStack() as stack:
        with CABLE.at_server():
            stack.enter_context(stage.program("nginx", "-c", conf))
            stage.wait_for(1688, HOST)
        s.how(f"nginx: listen {HOST}:1688")
        yield
        s.finds()
        s.vlmcs(HOST, PRO, answered=False)
        s.ends("wrong_service", None, f"{HOST}:1688", service="http")


@story("a DCE/RPC server that does not have the interface: each context refused, abstract syntax not supported")
def bind_refused_interface(s):
    with s.host(bind=kms.refused_interface):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("bind_refused_interface", None, f"{HOST}:1688")


@story("a host that takes none of the transfer syntaxes: NDR32 and NDR64 refused")
def bind_refused_syntax(s):
    with s.host(bind=kms.refused_syntaxes):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("bind_refused_syntax", None, f"{HOST}:1688")


@story("a host at its limit: bind_nak, local limit exceeded")
def bind_nak(s):
    with s.host(bind=kms.bind_nak):
        yield
        s.finds()
        s.asks(HOST, PRO)
        s.ends("bind_nak", None, f"{HOST}:1688", reason="local_limit_exceeded")


@story("Windows in Azure behind forced tunnelling: the names resolve, one host is silent, the other resets the request")
def azure_forced_tunnel(s):
    with s.host(AZURE_OLD, instead="reset"), s.rule(f"ip daddr {AZURE} tcp dport 1688 drop"):
        yield
        s.dig("azkms.core.windows.net", "A", needs=AZURE)
        s.vlmcs(AZURE, SERVER_2022, answered=False, timeout=8)
        s.dig("kms.core.windows.net", "A", needs=AZURE_OLD)
        s.vlmcs(AZURE_OLD, SERVER_2022, answered=False)
        s.ends("azure_forced_tunnel", SERVER_2022, f"{AZURE_OLD}:1688", tried=[f"{AZURE}:1688", f"{AZURE_OLD}:1688"])


# ---------------------------------------------------------------------------------------------------------------------
# The directory first.

WITH_LDAP = "port 53 or tcp port 389 or tcp port 1688"


@story("the directory is asked under a seal (SASL GSSAPI), then a host is found and activates", shown=WITH_LDAP)
def adba_sealed_then_kms(s):
    directory.TEMP = TEMP / "sealed"
    directory.TEMP.mkdir()
    with directory.kerberos(), directory.slapd(DC, tree.EMPTY), s.vlmcsd():
        s.how("slapd with an empty container of activation objects; a Kerberos realm")
        yield
        asked = f"(msSPP-KMSIds={directory.octets(tree.WINDOWS_10)})"
        how = ["-Y", "GSSAPI", "-Q", "-O", "minssf=56"]
        s.how(f"ldapsearch {' '.join(how)} one level below the container: {asked}")
        directory.search(*how, *directory.ONE_LEVEL, asked, *directory.LISTED, simple=False, url="ldap://dc1.corp.example")
        s.finds()
        s.vlmcs(HOST, PRO)
        s.ends("adba_sealed_then_kms", PRO, f"{HOST}:1688", activated=True, found="dns")


@story("the directory, asked in the clear, has no object for the product; a host is found and activates", shown=WITH_LDAP)
def adba_empty_then_kms(s):
    directory.TEMP = TEMP / "empty"
    directory.TEMP.mkdir()
    with directory.slapd(DC, tree.EMPTY), s.vlmcsd():
        s.how("slapd with an empty container of activation objects")
        yield
        asked = f"(&{directory.OBJECT}(msSPP-KMSIds={directory.octets(tree.WINDOWS_10)}))"
        s.how(f"ldapsearch rootDSE; one level below the container: {asked}")
        directory.configuration(url=f"ldap://{DC}")
        directory.search(*directory.ONE_LEVEL, asked, *directory.LISTED, url=f"ldap://{DC}")
        s.finds()
        s.vlmcs(HOST, PRO)
        s.ends("adba_empty_then_kms", PRO, f"{HOST}:1688", activated=True, found="dns")


# ---------------------------------------------------------------------------------------------------------------------
# MAK.

WITH_MAK = "port 53 or tcp port 80 or tcp port 443"


@contextlib.contextmanager
def service(s, *, port=80, tls=None, plan=None):
    """The test server of captures/mak, whose name dnsmasq knows."""
    with contextlib.ExitStack() as stack:
        with CABLE.at_server():
            command = ["dnsmasq", "-k", "-C", "/dev/null", "-h", "-R", "--bind-interfaces", "-a", DNSMASQ]
            command += ["-u", "root", "--pid-file=", f"--host-record={MAK_HOST},{MAK}", "--local=/microsoft.com/"]
            stack.enter_context(stage.program(*command))
            stage.wait_for(53, DNSMASQ)
            server = Server(port, host=MAK, tls=tls) if port else None
        discovery.resolve_by(DNSMASQ)
        s.how(f"dnsmasq: {MAK_HOST} is {MAK}")
        if server is not None:
            s.how(f"the test server of captures/mak at {MAK}:{port}" + (f", {plan}" if plan else ""))
            if plan is not None:
                server.plan(plan)
        yield
        for _ in range(100):
            if server is None or server.open == 0:
                break
            time.sleep(0.05)
        if server is not None:
            server.close()


def curl(s, call, *options, expect=0):
    body = TEMP / "body"
    body.write_bytes(call.body)
    command = ["curl", "-q", "-sS", "-k", *options, "-o", "/dev/null", "--data-binary", f"@{body}"]
    for name, value in call.headers:
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run([*command, call.url], capture_output=True, text=True)
    if done.returncode != expect:
        raise SystemExit(f"curl {call.url}: {done.returncode}: {done.stderr}")
    s.how(" ".join(["curl", *options, call.url]))


def one_shot(s, **how):
    """A one-shot activation by a client whose clock is right."""
    call = mak.token("ProductActivation", **how)
    now = datetime.datetime.fromtimestamp(s.now() / 1e9, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    call.body = call.body.replace(b"2024-01-02T03:04:05Z", now.encode())
    return call


def faulted(hresult, text):
    return Plan(status=500, fault={"code": "Server", "reason": "made by hand", "hresult": hresult, "messages": [text]})


def mak_story(s, plan, call, ending, product, **more):
    with service(s, plan=plan):
        yield
        curl(s, call())
        s.ends(ending, product, MAK_HOST, activated=ending == "activated", **more)


@story("a confirmation ID is asked for and given: activated by MAK", shown=WITH_MAK)
def mak_activated(s):
    yield from mak_story(s, None, mak.one, "activated", m.PID, found="mak")


@story("internet activation is refused: the MAK is used up (c004c020)", shown=WITH_MAK)
def mak_limit(s):
    plan = faulted("0xC004C020", "the MAK is used up")
    yield from mak_story(s, plan, lambda: one_shot(s), "mak_limit", None, hresult="c004c020")


@story("internet activation is refused: the key was activated too often (c004c008)", shown=WITH_MAK)
def mak_limit_key(s):
    plan = faulted("0xC004C008", "the key is over its activations")
    yield from mak_story(s, plan, lambda: one_shot(s), "mak_limit", None, hresult="c004c008")


@story("a confirmation ID is refused: the MAK is used up (0x7F)", shown=WITH_MAK)
def mak_limit_batch(s):
    yield from mak_story(s, Plan(item_errors={0: "0x7F"}), mak.one, "mak_limit", m.PID, error="0x7F")


@story("internet activation is refused: the key is blocked (c004c003)", shown=WITH_MAK)
def mak_blocked(s):
    plan = faulted("0xC004C003", "the key is blocked")
    yield from mak_story(s, plan, lambda: one_shot(s), "mak_blocked", None, hresult="c004c003")


@story("a confirmation ID is refused: the key is blocked (0x67)", shown=WITH_MAK)
def mak_blocked_batch(s):
    yield from mak_story(s, Plan(item_errors={0: "0x67"}), mak.one, "mak_blocked", m.PID, error="0x67")


@story("an installation ID with a wrong check digit: bad installation ID (0x90)", shown=WITH_MAK)
def mak_bad_id(s):
    yield from mak_story(s, None, lambda: mak.one(iid=m.IIDS_WRONG[0]), "mak_bad_id", m.PID, error="0x90")


@story("a confirmation ID is refused: the key is of the wrong type (0x86)", shown=WITH_MAK)
def mak_wrong_key_type(s):
    yield from mak_story(s, Plan(item_errors={0: "0x86"}), mak.one, "mak_wrong_key_type", m.PID, error="0x86")


@story("the service's name resolves, a firewall drops each SYN: out of reach", shown=WITH_MAK)
def mak_unreachable(s):
    with service(s, port=None), s.rule("tcp dport { 80, 443 } drop"):
        yield
        curl(s, mak.one(scheme="https"), "--connect-timeout", "8", expect=28)
        s.ends("mak_unreachable", None, MAK_HOST, by="silence")


@story("the service's name resolves, nobody listens: out of reach, refused by RST", shown=WITH_MAK)
def mak_refused(s):
    with service(s, port=None):
        yield
        curl(s, mak.one(scheme="https"), expect=7)
        s.ends("mak_unreachable", None, MAK_HOST, by="refused")


@story("TLS to the service, nobody kept the keys: what was asked and answered is sealed", shown=WITH_MAK)
def mak_sealed(s):
    mak.TEMP = TEMP
    with service(s, port=443, tls=mak.tls(), plan=Plan(keep_alive=False)):
        yield
        curl(s, mak.one(scheme="https"))
        s.ends("mak_sealed", None, MAK_HOST)


# ---------------------------------------------------------------------------------------------------------------------
# The host of a virtual machine.


@story("AVMA: the channel is offered, the guest never opens it", recorded=False)
def avma_not_opened(s, bus):
    bus.offer()
    return "avma_not_opened"


@story("AVMA: the guest opens the channel and asks, twice, and is never answered", recorded=False)
def avma_silent(s, bus):
    bus.offer()
    bus.open()
    bus.message(vmbus.GUEST, "test payload 1: a made-up request")
    s.at(10 * MINUTE)
    bus.message(vmbus.GUEST, "test payload 1: a made-up request")
    s.at(20 * MINUTE)
    bus.close()
    return "avma_silent"


@story("AVMA: the guest asks, the host answers; what they say is not public", recorded=False)
def avma_answered(s, bus):
    bus.offer()
    bus.open()
    bus.message(vmbus.GUEST, "test payload 1: a made-up request")
    bus.message(vmbus.HOST, "test payload 2: a made-up answer")
    bus.close()
    return "avma_answered"


# ---------------------------------------------------------------------------------------------------------------------
# Many at once.


@story("an hour of twelve machines, six hosts and six products, each with an ending of its own")
def fleet(s):
    good = f"{HOST}:1688"
    with contextlib.ExitStack() as stack:
        stack.enter_context(s.vlmcsd())
        stack.enter_context(s.vlmcsd(SECOND, "--client-count", "3"))
        stack.enter_context(s.host(THIRD, products=WINDOWS_ONLY, skew=4 * HOUR))
        stack.enter_context(s.host(FOURTH, instead="silence"))
        stack.enter_context(s.host(FIFTH, instead="reset"))
        yield
        scenes = iter(range(0, HOUR + 1, 4 * MINUTE))

        def scene(number):
            s.machine(f"10.77.0.{100 + number}")
            s.at(next(scenes))
            return {"name": f"FLEET{number:02}"}

        name = scene(1)
        s.finds()
        s.vlmcs(HOST, PRO, **name)
        s.ends("activated", PRO, good, activated=True)
        name = scene(2)
        s.vlmcs(SECOND, ENTERPRISE, **name)
        s.ends("count_too_low", ENTERPRISE, f"{SECOND}:1688", count=3, needed=25)
        name = scene(3)
        s.vlmcs(THIRD, OFFICE, answered=False, **name)
        s.ends("no_key", OFFICE, f"{THIRD}:1688", hresult="c004f042")
        name = scene(4)
        s.finds()
        s.vlmcs(HOST, SERVER_2019, **name)
        s.ends("activated", SERVER_2019, good, activated=True)
        name = scene(5)
        s.vlmcs(THIRD, PRO, clock=-5 * HOUR, answered=False, **name)
        s.ends("clock_skew", PRO, f"{THIRD}:1688", hresult="c004f06c", seconds=-5 * HOUR)
        scene(6)
        s.dig("_vlmcs._tcp.nowhere.corp.example", "SRV", needs="NXDOMAIN")
        s.ends("nxdomain", None, None, name="_vlmcs._tcp.nowhere.corp.example")
        for _ in range(3):
            name = scene(7)
            s.vlmcs(NOBODY, PRO, answered=False, **name)
        name = scene(7)
        s.finds()
        s.vlmcs(HOST, PRO, **name)
        s.ends("retries", PRO, good, activated=True, attempts=4, refused=3)
        name = scene(8)
        s.vlmcs(HOST, WINDOWS_7, **name)
        s.ends("activated", WINDOWS_7, good, activated=True)
        name = scene(9)
        s.vlmcs(FOURTH, SERVER_2022, answered=False, timeout=3, **name)
        s.ends("silence", SERVER_2022, f"{FOURTH}:1688")
        name = scene(10)
        s.finds()
        s.vlmcs(HOST, PRO, **name)
        s.vlmcs(HOST, OFFICE, **name)
        s.ends("activated", PRO, good, activated=True)
        s.ends("activated", OFFICE, good, activated=True)
        name = scene(11)
        s.vlmcs(FIFTH, PRO, answered=False, **name)
        s.ends("reset", PRO, f"{FIFTH}:1688")
        name = scene(12)
        cmid = str(uuid.uuid4())
        s.asks(HOST, ENTERPRISE, cmid=cmid, status=1, minutes=(180 - 7) * 1440, **name)
        s.ends("renewed", ENTERPRISE, good, activated=True, cmid=cmid)


# ---------------------------------------------------------------------------------------------------------------------


def write(name, function, what):
    """A story that nobody recorded: a bus, by hand."""
    told, bus = Story(what), vmbus.Bus()
    told.truth["staged"] = False
    told.how("written by vmbus.Bus of captures/mixed/make, not recorded")
    ending = function(told, bus)
    told.truth["stories"].append({"machine": "guest", "product": None, "host": "host", "ending": ending, "activated": None})
    data = pcapng.retimed(pcapng.written("vmbus", vmbus.LINK_TYPE, bus.records), told.later)
    (OUT / f"{name}.pcapng").write_bytes(pcapng.label(data, WRITTEN))
    recording.save(OUT, name, {"capture": f"{name}.pcapng", "synthetic": WRITTEN, **told.truth})
    print(f"{name}.pcapng: {len(data)} bytes", flush=True)


def record(name, function, what, shown):
    told = Story(what)
    told.machine(told.source)
    discovery.resolve_by(DNS)
    # Up to its first yield a story sets its stage; what follows, to its end or to a second one, is recorded.
    telling = function(told)
    next(telling)
    with StoryRecording(name, told, shown):
        told.started = time.time()
        next(telling, None)
    next(telling, None)


def main(arguments):
    global TEMP, CABLE, discovery, directory, mak
    discovery, directory, mak = script("discovery"), script("directory"), script("mak")
    if arguments[:1] != ["--inside"]:
        debian = discovery.DEBIAN | directory.DEBIAN | DEBIAN
        stage.prepare(HERE, arguments, debian=debian, venv="capture-venv", python={})
    CABLE = stage.Cable(client=CLIENT, server=SERVER)
    stage.run("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory() as folder:
        TEMP = pathlib.Path(folder)
        for module in (discovery, directory):
            module.TEMP, module.CABLE = TEMP, CABLE
        discovery.configured("nsswitch.conf", "hosts: files dns\n")
        discovery.resolve_by(DNS)
        for file in ("nsswitch.conf", "resolv.conf"):
            stage.bind(TEMP / file, f"/etc/{file}")
        stage.bind("/dev/null", "/etc/hosts")
        with discovery.server_of(only=["knot"]):
            for name in arguments[1:] or list(STORIES):
                function, what, shown, recorded = STORIES[name]
                if recorded:
                    record(name, function, what, shown)
                else:
                    write(name, function, what)


if __name__ == "__main__":
    main(sys.argv[1:])
