#!/usr/bin/env python3
"""Makes captures/mixed/mixed.pcapng: one machine that tries one way of activation after the other, as three
interfaces saw it.

    python3 captures/mixed/make/record.py

The network is real traffic between real programs, made as captures/discovery, captures/directory and captures/mak
make it, whose scripts this one uses; the bus is written by hand after the public protocol, its payloads are made up.
"""

import contextlib
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve()
OUT = HERE.parents[1]
sys.path += [str(HERE.parents[2] / folder) for folder in ("make", "mak/make", "directory/make")]

import messages as m
import pcapng
import stage
import tree
import vmbus
from dumpcap import Capture
from recording import save
from server import Server

SYNTHETIC = "synthetic: recorded by captures/mixed/make/record.py; the VMBus interface is written by hand"
MAK_HOST = "activation.sls.microsoft.com"


def script(name):
    """The script of another folder of recordings."""
    spec = importlib.util.spec_from_file_location(name, HERE.parents[2] / name / "make" / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def activate_by_mak(scratch):
    """A confirmation ID is asked for, then the remaining count, over plain HTTP on loopback."""
    server = Server(80, host="127.0.0.1")
    for request_type in (1, 2):
        document = m.inner_request(request_type, [(m.PID, m.IID if request_type == 1 else None)])
        body = scratch / "body"
        body.write_bytes(m.batch_request(document, m.digest(document)))
        command = ["curl", "-q", "-sS", "--fail", "--max-time", "20", "-o", "/dev/null", "--data-binary", f"@{body}"]
        command += ["--resolve", f"{MAK_HOST}:80:127.0.0.1"]
        for name, value in m.batch_headers():
            command += ["-H", f"{name}: {value}"]
        subprocess.run([*command, f"http://{MAK_HOST}{m.BATCH_PATH}"], check=True)
    while server.open:
        time.sleep(0.05)
    server.close()


def story(discovery, directory, bus):
    """The machine boots, finds the bus, asks everybody there is; the host answers in the end."""
    bus.offer()
    directory.configuration(url=f"ldap://{directory.DC2}")
    directory.search(
        *directory.ONE_LEVEL,
        f"(&{directory.OBJECT}(msSPP-KMSIds={directory.octets(tree.SERVER_2022)}))",
        *directory.LISTED,
        url=f"ldap://{directory.DC2}",
        code=(32,),
        needs="Matched DN",
    )
    discovery.resolve_by(discovery.KNOT)
    bus.open()
    [(host, port)] = discovery.hosts_of("corp.example", discovery.KNOT)
    discovery.vlmcs(f"{host}:{port}", "-6", "-n", "2")
    bus.message(vmbus.GUEST, "test payload 1: a made-up request")
    activate_by_mak(discovery.TEMP)
    bus.message(vmbus.HOST, "test payload 2: a made-up answer")
    bus.close()
    return host, port


def main(arguments):
    discovery, directory = script("discovery"), script("directory")
    if arguments[:1] != ["--inside"]:
        debian = discovery.DEBIAN | directory.DEBIAN | {"curl": "curl", "mergecap": "wireshark-common"}
        stage.prepare(HERE, arguments, debian=debian, venv="capture-venv", python=discovery.PYTHON | directory.PYTHON)
    # The loopback of the client is an interface of its own.
    cable = stage.Cable(
        client=[f"{discovery.CLIENT}/24", "fd77::100/64"], server=[*discovery.HOSTS, f"{directory.DC2}/24"]
    )
    stage.loopback()
    bus = vmbus.Bus()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        scratch = pathlib.Path(folder)
        discovery.TEMP = directory.TEMP = scratch
        discovery.CABLE = directory.CABLE = cable
        discovery.configured("nsswitch.conf", "hosts: files dns\n")
        discovery.resolve_by(discovery.KNOT)
        for file in ("nsswitch.conf", "resolv.conf"):
            stage.bind(scratch / file, f"/etc/{file}")
        stack.enter_context(discovery.server_of(only=["knot"]))
        stack.enter_context(discovery.kms_host())
        stack.enter_context(directory.slapd(directory.DC2, tree.WITHOUT_CONTAINER))
        shown = "port 53 or tcp port 389 or tcp port 1688"
        captures = [Capture(scratch / "cable.pcapng", "cl0", shown)]
        captures.append(Capture(scratch / "lo.pcapng", "lo", "tcp port 80"))
        host, port = story(discovery, directory, bus)
        for capture in captures:
            capture.stop()
        written = scratch / "vmbus.pcapng"
        written.write_bytes(pcapng.written("vmbus", vmbus.LINK_TYPE, bus.records))
        merged = scratch / "merged.pcapng"
        files = [*(capture.raw for capture in captures), written]
        subprocess.run(["mergecap", "-I", "none", "-w", merged, *files], check=True, capture_output=True)
        data = pcapng.label(merged.read_bytes(), SYNTHETIC)
    (OUT / "mixed.pcapng").write_bytes(data)
    steps = [
        {"by": "avma", "what": "the channel is offered"},
        {"by": "directory", "what": "no container of activation objects", "base": tree.CONTAINER, "result": 32},
        {"by": "avma", "what": "the channel is opened"},
        {"by": "dns", "name": "_vlmcs._tcp.corp.example", "target": host, "port": port},
        {"by": "kms", "address": discovery.KMS, "port": port, "found_by": "srv", "exchanges": 2},
        {"by": "avma", "what": "a request", "payload": "test payload 1: a made-up request"},
        {"by": "mak", "host": MAK_HOST, "request_types": [1, 2]},
        {"by": "avma", "what": "an answer", "payload": "test payload 2: a made-up answer"},
        {"by": "avma", "what": "the channel is closed"},
    ]
    save(OUT, "mixed", {"capture": "mixed.pcapng", "synthetic": SYNTHETIC, "steps": steps})
    print(f"mixed.pcapng: {len(data)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
