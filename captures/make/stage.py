"""Where recordings are made: what has to be installed, and the namespaces that keep them from the machine's network."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

TARGET = pathlib.Path(__file__).resolve().parents[2] / "target"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def prepare(script, arguments, *, debian, venv, python):
    """Installs what is missing, then starts the script again, with `--inside`, where it records.

    `debian` names the package of each program; `python` holds the packages of the package index, by the module that
    shows whether one is there, and `venv` the folder in target/ that they go to.
    """
    home = TARGET / venv
    missing = sorted({package for tool, package in debian.items() if shutil.which(tool) is None})
    if missing:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", "-qq", *command], check=True, env=environment, stdin=subprocess.DEVNULL)
    if not home.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    found = {path.name for path in home.glob("lib/python3*/site-packages/*")}
    if missing := [package for module, package in python.items() if module not in found]:
        subprocess.run([home / "bin" / "pip", "install", "-q", *missing], check=True)
    os.execvp("unshare", ["unshare", "-n", "-m", home / "bin" / "python", script, "--inside", *arguments])


def tool(name):
    """The path of a program, or None; also where a Rust toolchain installs programs, if the search path lacks that."""
    return shutil.which(name, path=f"{os.environ['PATH']}:{pathlib.Path.home() / '.cargo' / 'bin'}")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def bind(source, target):
    """In this mount namespace `source` is what is read at `target`."""
    run("mount", "--bind", source, target)


def loopback():
    """A loopback that is cut into packets as a network is."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "set", "lo", "mtu", "1500")
    run("ethtool", "-K", "lo", "tso", "off", "gso", "off", "gro", "off")


class Cable:
    """Two machines and a cable between them: `client`, where the script is, and `server`, a namespace of its own."""

    def __init__(self, *, client, server):
        """The addresses of both, each with the length of its prefix."""
        with open("/proc/thread-self/ns/net") as here:
            self.client = os.dup(here.fileno())
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "cl0", "address", "02:00:00:77:00:01", "type", "veth", "peer", "name", "sv0")
        if LIBC.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        with open("/proc/thread-self/ns/net") as there:
            self.server = os.dup(there.fileno())
        self.enter(self.client)
        run("ip", "link", "set", "sv0", "netns", f"/proc/{os.getpid()}/fd/{self.server}")
        self.up("cl0", client)
        with self.at_server():
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "set", "sv0", "address", "02:00:00:77:00:02")
            self.up("sv0", server)

    def up(self, interface, addresses):
        # Neither router solicitations nor the listening reports of groups: only what programs say.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{interface}/accept_ra").write_text("0")
        for address in addresses:
            run("ip", "address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))
        run("ethtool", "-K", interface, "tso", "off", "gso", "off", "gro", "off", "tx", "off")
        run("ip", "link", "set", interface, "up")

    def enter(self, namespace):
        if LIBC.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    @contextlib.contextmanager
    def at_server(self):
        """Programs started and sockets opened meanwhile are the server's."""
        self.enter(self.server)
        try:
            yield
        finally:
            self.enter(self.client)

    def mtu(self, octets):
        run("ip", "link", "set", "cl0", "mtu", str(octets))
        with self.at_server():
            run("ip", "link", "set", "sv0", "mtu", str(octets))


@contextlib.contextmanager
def program(*command, quiet=True, **how):
    """A program that runs meanwhile; it is ended by its id."""
    silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} if quiet else {}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **silence, **how)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port, host="127.0.0.1"):
    """Waits until somebody listens on this port."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens on port {port} of {host}")
