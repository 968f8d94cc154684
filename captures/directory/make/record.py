#!/usr/bin/env python3
"""Makes everything in captures/directory: OpenLDAP's server with the schema of activation objects, asked by
OpenLDAP's tools and ldap3, over a cable between two namespaces.

    python3 captures/directory/make/record.py [NAME...]

Needs Python 3.11, Debian's slapd, ldap-utils, SASL and Kerberos, openssl, tshark, iproute2 and ethtool; takes ldap3
from the package index. It runs in namespaces of its own, hence as root. Times, ports, random numbers and keys differ
each time.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

HERE = pathlib.Path(__file__).resolve()
OUT = HERE.parents[1]
sys.path += [str(HERE.parents[2] / folder) for folder in ("make", "mak/make")]

import stage
import tree
from recording import Recording, save
from stage import program, wait_for

SYNTHETIC = "synthetic: recorded by captures/directory/make/record.py between programs in namespaces of their own"
LIMIT = 400_000
DEBIAN = {
    "dumpcap": "tshark",
    "ip": "iproute2",
    "ethtool": "ethtool",
    "slapd": "slapd",
    "ldapsearch": "ldap-utils",
    "saslpasswd2": "sasl2-bin",
    "krb5kdc": "krb5-kdc",
    "kadmin.local": "krb5-admin-server",
    "kinit": "krb5-user",
    "openssl": "openssl",
}
# Libraries, which no program stands for.
PLUGINS = {"libdigestmd5.so": "libsasl2-modules", "libgssapiv2.so": "libsasl2-modules-gssapi-mit"}
PYTHON = {"ldap3": "ldap3"}
CLIENT, DC1, DC2, DC3 = (f"10.77.0.{host}" for host in (100, 38, 39, 40))
DC1_6 = "fd77::38"
NAMES = {DC1: "dc1.corp.example", DC2: "dc2.corp.example", DC3: "dc3.corp.example"}
# Set at the start: a folder for what is thrown away, and the cable.
TEMP = CABLE = None


# ---------------------------------------------------------------------------------------------------------------------
# The server.


def configured(name, text):
    path = TEMP / name
    path.write_text(text)
    return path


def certificate():
    """A certificate of our own for the server's names, made anew and thrown away."""
    key, cert = TEMP / "key.pem", TEMP / "cert.pem"
    names = ",".join(f"DNS:{name}" for name in NAMES.values())
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
        + ["-subj", "/O=synthetic directory/CN=dc1.corp.example", "-addext", f"subjectAltName={names}"]
        + ["-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


@contextlib.contextmanager
def slapd(address, entries, *more):
    """A directory server with these entries at this address, and at others with the schemes given."""
    home = TEMP / address
    (home / "db").mkdir(parents=True)
    (home / "root.ldif").write_text(
        "dn:\nobjectClass: top\n"
        f"configurationNamingContext: {tree.CONFIGURATION}\ndefaultNamingContext: {tree.ROOT}\n"
        f"dnsHostName: {NAMES[address]}\n"
    )
    cert, key = certificate()
    (home / "slapd.conf").write_text(
        f"""include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include {HERE.parent}/spp.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload sssvlv
rootDSE {home}/root.ldif
pidfile {home}/slapd.pid
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
sasl-host {NAMES[address]}
sasl-realm CORP.EXAMPLE
sasl-secprops none
authz-regexp "uid=([^,/]*),.*cn=auth" "cn=$1,{tree.ROOT}"
database mdb
suffix "{tree.ROOT}"
directory {home}/db
rootdn "cn=admin,{tree.ROOT}"
rootpw {tree.PASSWORD}
overlay sssvlv
index objectClass eq
index msSPP-KMSIds eq
limits dn.exact="{tree.LIMITED}" size=3 time=10
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""
    )
    (home / "tree.ldif").write_text(tree.ldif(entries))
    load = ["slapadd", "-q", "-f", home / "slapd.conf", "-l", home / "tree.ldif"]
    loaded = subprocess.run(load, capture_output=True, text=True)
    if loaded.returncode != 0:
        raise SystemExit(f"slapadd: {loaded.stderr}")
    with contextlib.ExitStack() as stack:
        with CABLE.at_server():
            urls = " ".join([f"ldap://{address}:389", *more])
            stack.enter_context(program("slapd", "-d", "0", "-f", home / "slapd.conf", "-h", urls, env=environment()))
            wait_for(389, address)
        yield home


def directory():
    """The server of most recordings."""
    return slapd(DC1, tree.WITH_OBJECTS, f"ldap://[{DC1_6}]:389", f"ldaps://{DC1}:636")


def environment(**more):
    kerberos = {"KRB5_CONFIG": TEMP / "krb5.conf", "KRB5_KTNAME": TEMP / "keytab", "KRB5CCNAME": TEMP / "tickets"}
    kerberos |= {"KRB5_KDC_PROFILE": TEMP / "kdc.conf"}
    plain = {"LDAPTLS_CACERT": TEMP / "cert.pem", "LDAPNOINIT": None, "LDAPSASL_NOCANON": "on"}
    chosen = os.environ | {name: str(value) for name, value in (kerberos | plain | more).items() if value is not None}
    return chosen


# ---------------------------------------------------------------------------------------------------------------------
# The clients.

LDAP = f"ldap://{DC1}"
AS_READER = ["-D", tree.READER, "-w", tree.PASSWORD]
AS_LIMITED = ["-D", tree.LIMITED, "-w", tree.PASSWORD]
AS_ADMIN = ["-D", f"cn=admin,{tree.ROOT}", "-w", tree.PASSWORD]


def tool(name, *arguments, url=LDAP, code=(0,), needs="", simple=True, **variables):
    """Runs one of OpenLDAP's tools; what it says."""
    command = [name, *(["-x"] if simple else []), "-H", url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**variables), timeout=60)
    if done.returncode not in code or needs not in done.stdout + done.stderr:
        raise SystemExit(f"{command}: {done.returncode}, expected {needs!r}: {done.stdout[:2000]}{done.stderr}")
    return done.stdout


def search(*arguments, **how):
    return tool("ldapsearch", "-LLL", *arguments, **how)


def octets(guid):
    """A GUID as a filter writes it."""
    return "".join(f"\\{byte:02x}" for byte in guid.bytes_le)


def configuration(**how):
    """What slmgr asks first."""
    search("-b", "", "-s", "base", "configurationNamingContext", needs=tree.CONFIGURATION, **how)


LISTED = ["displayName", "msSPP-CSVLKSkuId", "msSPP-CSVLKPartialProductKey", "msSPP-CSVLKPid"]
ONE_LEVEL = ["-b", tree.CONTAINER, "-s", "one"]
OBJECT = "(objectClass=msSPP-ActivationObject)"


def connected(host=DC1, *, user=None, password=None, **how):
    import ldap3

    server = ldap3.Server(host, get_info=ldap3.NONE)
    return ldap3.Connection(server, user=user, password=password, auto_bind=True, **how)


# ---------------------------------------------------------------------------------------------------------------------
# The recordings.

RECORDINGS = {}


def recording(function):
    RECORDINGS[function.__name__] = function
    return function


def record(name, *, shown="tcp port 389", layer="ldap", truth=None):
    about = {"folder": OUT, "scratch": TEMP, "synthetic": SYNTHETIC, "limit": LIMIT}
    return Recording(name, shown=shown, layer=layer, truth=truth, **about)


@recording
def ldap_list():
    """As slmgr /ao-list does it."""
    import ldap3

    with directory(), record("ldap_list", truth={"objects": tree.known(tree.OBJECTS)}):
        configuration()
        search(*ONE_LEVEL, OBJECT, *LISTED, needs="CCCCC")
        search(*AS_ADMIN, *ONE_LEVEL, OBJECT, *LISTED, needs="FFFFF")
        configuration(url=f"ldap://[{DC1_6}]")
        connection = connected()
        connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["configurationNamingContext", "dnsHostName"])
        connection.search(tree.CONTAINER, OBJECT, ldap3.LEVEL, attributes=LISTED)
        if len(connection.entries) != len(tree.OBJECTS):
            raise SystemExit(f"ldap_list: {connection.entries}")
        connection.unbind()
        # No bind at all, which version 3 allows.
        connection = ldap3.Connection(ldap3.Server(DC1, get_info=ldap3.NONE))
        connection.open()
        connection.search(tree.CONTAINER, f"(msSPP-KMSIds={octets(tree.SERVER_2022)})", ldap3.LEVEL, attributes=LISTED)
        connection.unbind()


FILTERS = [
    f"(msSPP-KMSIds={octets(tree.SERVER_2022)})",
    f"(&{OBJECT}(|(msSPP-KMSIds={octets(tree.OFFICE_2021)})(msSPP-KMSIds={octets(tree.NOBODYS)})))",
    f"(&{OBJECT}(!(msSPP-InstallationId=*)))",
    "(displayName=*windows*made*)",
    "(displayName=Windows*)",
    "(displayName=*наш \\28made up\\29)",
    "(msSPP-CSVLKPartialProductKey>=CCCCC)",
    "(msSPP-CSVLKPartialProductKey<=CCCCC)",
    "(displayName~=windows)",
    "(cn:caseExactMatch:=Bare)",
    "(cn:dn:=Bare)",
    "(:dn:caseIgnoreMatch:=bare)",
    "(noSuchAttribute=1)",
    "(&)",
    "(|)",
    "(&(&(&(&(!(!(!(!(cn=Bare)))))))))",
]


@recording
def ldap_filters():
    with directory(), record("ldap_filters"):
        for text in FILTERS:
            search(*ONE_LEVEL, text, "cn", "msSPP-KMSIds", code=(0, 18, 53))
        connection = connected()
        for text in [FILTERS[0], FILTERS[1], FILTERS[5]]:
            connection.search(tree.CONTAINER, text, attributes=["cn"])
        connection.unbind()


@recording
def ldap_attributes():
    bare, office = (tree.OBJECTS[at][0] for at in (3, 1))
    with directory(), record("ldap_attributes"):
        search("-b", tree.OBJECTS[0][0], "-s", "base")
        search("-b", bare, "-s", "base", "(objectClass=*)", "*", "+")
        search("-b", bare, "-s", "base", "(objectClass=*)", "1.1")
        search("-A", "-b", office, "-s", "base", "(objectClass=*)")
        search("-b", office, "-s", "base", "(objectClass=*)", "description", "displayname", "DESCRIPTION", "absent")
        search("-b", office, "-s", "base", "-a", "always", "(objectClass=*)", "1.2.840.113556.1.4.2082")
        search("-b", tree.SPP, "-s", "children", "(objectClass=msSPP-ActivationObject)", "cn", code=(0,))
        search("-b", "", "-s", "base", "*", "+")
        search("-b", "cn=Subschema", "-s", "base", "(objectClass=subschema)", "matchingRules")


@recording
def ldap_licence():
    """One entry in a few hundred segments."""
    with directory(), record("ldap_licence"):
        asked = [f"(msSPP-KMSIds={octets(tree.SERVER_2019)})", "msSPP-IssuanceLicense"]
        text = search("-o", "ldif-wrap=no", *ONE_LEVEL, *asked)
        if len(text) < 280_000:
            raise SystemExit(f"ldap_licence: only {len(text)} characters")


@recording
def ldap_errors():
    import ldap3

    with (
        directory(),
        slapd(DC2, tree.WITHOUT_CONTAINER),
        slapd(DC3, tree.EMPTY),
        record("ldap_errors"),
    ):
        # No container, as in a forest whose schema is older; the matched name says how far it goes.
        configuration(url=f"ldap://{DC2}")
        search(*ONE_LEVEL, OBJECT, *LISTED, url=f"ldap://{DC2}", code=(32,), needs="Matched DN")
        # A container without objects.
        search(*ONE_LEVEL, OBJECT, *LISTED, url=f"ldap://{DC3}")
        search(*ONE_LEVEL, f"(msSPP-KMSIds={octets(tree.WINDOWS_10)})", url=f"ldap://{DC3}")
        # Who is it? A wrong password, nobody, a name that is none, no such mechanism.
        tool("ldapwhoami", "-D", tree.READER, "-w", "not-the-password", code=(49,), needs="Invalid credentials")
        tool("ldapwhoami", "-D", f"cn=nobody,{tree.ROOT}", "-w", tree.PASSWORD, code=(49,))
        tool("ldapwhoami", "-D", "not a name", "-w", tree.PASSWORD, code=(34,), needs="Invalid DN")
        tool("ldapwhoami", "-D", tree.READER, "-w", "", code=(53,), needs="unwilling")
        connection = ldap3.Connection(ldap3.Server(DC1, get_info=ldap3.NONE), tree.READER, "wrong")
        connection.bind()
        connection.unbind()
        # Too many: the client's limit, the server's limit.
        search("-z", "2", *ONE_LEVEL, OBJECT, "cn", code=(4,), needs="Size limit exceeded")
        search(*AS_LIMITED, *ONE_LEVEL, OBJECT, "cn", code=(4,), needs="Size limit exceeded")
        search("-l", "3", *ONE_LEVEL, OBJECT, "cn")
        # Not allowed, not possible, not there.
        tool("ldapdelete", tree.OBJECTS[3][0], code=(8, 50), needs="")
        tool("ldapdelete", *AS_ADMIN, tree.CONTAINER, code=(66,))
        tool("ldapdelete", *AS_ADMIN, f"CN=Nobody,{tree.CONTAINER}", code=(32,))
        search("-e", "!1.2.3.4.5", *ONE_LEVEL, "cn", code=(12,), needs="Critical extension is unavailable")
        tool("ldapexop", "1.2.3.4.5", code=(1, 2), needs="unsupported extended operation")
        search("-P", "2", *ONE_LEVEL, code=(2,), needs="historical protocol version")


@recording
def ldap_referrals():
    with directory(), slapd(DC2, tree.WITHOUT_CONTAINER), record("ldap_referrals"):
        elsewhere = f"CN=Elsewhere,{tree.SPP}"
        search("-b", tree.SPP, "-s", "sub", "(cn=*)", "cn", needs="refldap://dc2.corp.example")
        search("-b", elsewhere, "-s", "base", code=(10,), needs="Referral")
        search("-b", f"CN=Below,{elsewhere}", "-s", "base", code=(10,), needs="Referral")
        search("-M", "-b", elsewhere, "-s", "base", "(objectClass=*)", "ref", needs="ref: ldap://")
        search("-b", "DC=other,DC=example", "-s", "base", code=(32,))
        tool("ldapdelete", *AS_ADMIN, f"CN=Below,{elsewhere}", code=(10,))


@recording
def ldap_paged():
    with directory(), record("ldap_paged"):
        search("-E", "pr=2/noprompt", *ONE_LEVEL, OBJECT, "cn", needs="cn: Bare")
        search("-E", "!pr=3/noprompt", "-E", "sss=-cn:2.5.13.3", *ONE_LEVEL, OBJECT, "cn", needs="cn: Bare")
        connection = connected()
        entries = list(
            connection.extend.standard.paged_search(tree.CONTAINER, OBJECT, attributes=["cn"], paged_size=1)
        )
        if len(entries) != len(tree.OBJECTS):
            raise SystemExit(f"ldap_paged: {entries}")
        connection.unbind()


def messages_of(*operations):
    """LDAP messages as ldap3 writes them, numbered from 1."""
    from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
    from ldap3.strategy.base import encode

    out = []
    for number, (kind, operation) in enumerate(operations, 1):
        message = LDAPMessage()
        message["messageID"] = MessageID(number)
        message["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
        out.append(encode(message))
    return out


def searching(base, text, attributes, scope="SUBTREE"):
    from ldap3 import DEREF_ALWAYS
    from ldap3.operation.search import search_operation

    return "searchRequest", search_operation(base, text, scope, DEREF_ALWAYS, attributes, 0, 0, False, True, True)


def read_until_done(peer, wanted):
    """Reads until so many answers of a kind that ends a request have come."""
    data, done = b"", 0
    while done < wanted:
        data += (more := peer.recv(65536))
        if not more:
            raise SystemExit("the server closed the connection")
        while len(data) > 6:
            head = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
            size = head + (int.from_bytes(data[2:head]) if data[1] & 0x80 else data[1])
            if len(data) < size:
                break
            # The operation's tag comes behind the message id; entries and references are followed by others.
            done += data[head + 2 + data[head + 1]] not in (0x64, 0x73)
            data = data[size:]


@recording
def ldap_pipelined():
    from ldap3.operation.abandon import abandon_operation
    from ldap3.operation.unbind import unbind_operation

    large = f"(msSPP-KMSIds={octets(tree.SERVER_2019)})"
    with directory(), record("ldap_pipelined"):
        # Three searches in one segment, then one in pieces.
        requests = messages_of(
            searching("", "(objectClass=*)", ["configurationNamingContext"], "BASE"),
            searching(tree.CONTAINER, OBJECT, LISTED, "LEVEL"),
            searching(tree.CONTAINER, FILTERS[0], ["msSPP-KMSIds"], "LEVEL"),
            searching(tree.CONTAINER, "(cn=Bare)", ["displayName"], "LEVEL"),
            ("unbindRequest", unbind_operation()),
        )
        with socket.create_connection((DC1, 389)) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.sendall(b"".join(requests[:3]))
            read_until_done(peer, 3)
            for at in range(0, len(requests[3]), 7):
                peer.sendall(requests[3][at : at + 7])
                time.sleep(0.005)
            read_until_done(peer, 1)
            peer.sendall(requests[4])
            time.sleep(0.1)
        # A search is abandoned, another one answered, in one segment; slapd may have answered the first already.
        requests = messages_of(
            searching(tree.ROOT, large, ["cn"]),
            ("abandonRequest", abandon_operation(1)),
            searching(tree.CONTAINER, "(cn=Bare)", ["cn"], "LEVEL"),
        )
        with socket.create_connection((DC1, 389)) as peer:
            peer.sendall(b"".join(requests))
            time.sleep(0.5)
        # The client leaves in the middle of a request, and without waiting for an answer.
        with socket.create_connection((DC1, 389)) as peer:
            peer.sendall(requests[0][:20])
            time.sleep(0.1)
        with socket.create_connection((DC1, 389)) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.sendall(requests[2])
        # No LDAP at all: the server says goodbye with a notice of disconnection, or closes.
        with socket.create_connection((DC1, 389)) as peer:
            peer.settimeout(2)
            peer.sendall(bytes.fromhex("3084000000050201016300"))
            with contextlib.suppress(OSError):
                peer.recv(4096)
        with socket.create_connection((DC1, 389)) as peer:
            peer.settimeout(2)
            peer.sendall(b"GET / HTTP/1.1\r\nHost: dc1.corp.example\r\n\r\n")
            with contextlib.suppress(OSError):
                peer.recv(4096)


CHANGES = f"""version: 1

# What an administrator does to activation objects: publish one, correct it, rename it, take it away.
dn: CN=New,{tree.CONTAINER}
changetype: add
objectClass: top
objectClass: msSPP-ActivationObject
displayName: New (made up)
msSPP-CSVLKSkuId:: eFY0Epq8702BI0VniavN7w==
msSPP-KMSIds:: eFY0Epq8702BI0VniavN7w==
msSPP-KMSIds:: 5GNCt5IPxka8+MEdXv4pWQ==
msSPP-CSVLKPid: 00000-00000-000-000005-03-1033-0000.0000-0052022
msSPP-CSVLKPartialProductKey: GGGGG

dn: CN=New,{tree.CONTAINER}
changetype: modify
replace: displayName
displayName:: TmV1IOKAkyBnZcOkbmRlcnQ=
-
delete: msSPP-KMSIds
msSPP-KMSIds:: eFY0Epq8702BI0VniavN7w==
-
add: msSPP-InstallationId
msSPP-InstallationId: {tree.m.IIDS_63[2]}
-

dn: CN=New,{tree.CONTAINER}
changetype: modrdn
newrdn: CN=Newer
deleteoldrdn: 1

dn: CN=Newer,{tree.CONTAINER}
changetype: moddn
newrdn: CN=Newest
deleteoldrdn: 0
newsuperior: {tree.CONTAINER}

dn: CN=Newest,{tree.CONTAINER}
changetype: delete
"""


@recording
def ldap_changes():
    changes = configured("changes.ldif", CHANGES)
    (OUT / "ldif_changes.ldif").write_text(f"# {SYNTHETIC}\n{CHANGES}")
    with directory(), record("ldap_changes"):
        tool("ldapmodify", *AS_ADMIN, "-f", changes)
        tool("ldapcompare", tree.OBJECTS[3][0], "msSPP-CSVLKPartialProductKey:FFFFF", code=(6,), needs="TRUE")
        tool("ldapcompare", tree.OBJECTS[3][0], "msSPP-CSVLKPartialProductKey:BBBBB", code=(5,), needs="FALSE")
        tool("ldapmodify", *AS_ADMIN, "-f", changes, "-e", "assert=(cn=nobody)", code=(122,))
        bad = configured("bad.ldif", CHANGES.split("\n\ndn:")[0].replace("GGGGG", "") + "\n")
        tool("ldapmodify", *AS_ADMIN, "-f", bad, code=(21, 65))
        tool("ldappasswd", *AS_READER, "-s", "another-password", code=(1, 50), needs="Insufficient access")
        tool("ldapwhoami", *AS_READER, needs="dn:")


def sealed(name, mechanism, *options, truth=None, **variables):
    with record(name, truth=truth):
        # Without a layer, then with integrity, then with privacy.
        for layer in ("maxssf=0", "minssf=1,maxssf=1", "minssf=56"):
            how = ["-Y", mechanism, *options, "-O", layer, "-Q"]
            search(*how, *ONE_LEVEL, OBJECT, *LISTED, simple=False, url="ldap://dc1.corp.example", **variables)
        search(*how, "-b", tree.OBJECTS[0][0], "-s", "base", simple=False, url="ldap://dc1.corp.example", **variables)
        wrong = ["-Y", mechanism, "-U", "nobody", "-w", "nothing"]
        if mechanism == "DIGEST-MD5":
            tool("ldapwhoami", *wrong, simple=False, url="ldap://dc1.corp.example", code=(49, 80))


@recording
def ldap_sealed_digest():
    with directory():
        sealed("ldap_sealed_digest", "DIGEST-MD5", "-U", "reader", "-R", "CORP.EXAMPLE", "-w", tree.PASSWORD)


@contextlib.contextmanager
def kerberos():
    """A realm with two principals: who asks and who is asked."""
    configured(
        "krb5.conf",
        f"[libdefaults]\ndefault_realm = CORP.EXAMPLE\nrdns = false\ndns_lookup_kdc = false\n"
        f"dns_canonicalize_hostname = false\n[realms]\nCORP.EXAMPLE = {{\nkdc = {DC1}:88\n}}\n"
        "[domain_realm]\n.corp.example = CORP.EXAMPLE\n",
    )
    configured(
        "kdc.conf",
        f"[kdcdefaults]\nkdc_listen = {DC1}:88\nkdc_tcp_listen = {DC1}:88\n[realms]\nCORP.EXAMPLE = {{\n"
        f"database_name = {TEMP}/principals\nkey_stash_file = {TEMP}/stash\nacl_file = {TEMP}/acl\n}}\n",
    )
    quiet = {"check": True, "capture_output": True, "env": environment()}
    subprocess.run(["kdb5_util", "create", "-s", "-P", "synthetic-master", "-r", "CORP.EXAMPLE"], **quiet)
    for query in (
        f"addprinc -pw {tree.PASSWORD} reader",
        "addprinc -randkey ldap/dc1.corp.example",
        f"ktadd -k {TEMP}/keytab ldap/dc1.corp.example",
    ):
        subprocess.run(["kadmin.local", "-q", query], **quiet)
    with contextlib.ExitStack() as stack:
        with CABLE.at_server():
            stack.enter_context(program("krb5kdc", "-n", env=environment()))
            wait_for(88, DC1)
        subprocess.run(["kinit", "reader"], input=tree.PASSWORD.encode(), **quiet)
        yield


@recording
def ldap_sealed_gssapi():
    with kerberos(), directory():
        sealed("ldap_sealed_gssapi", "GSSAPI")


def keys(name):
    path = OUT / f"{name}.keys"
    path.write_text(f"# {SYNTHETIC}\n")
    return path


@recording
def ldap_starttls():
    log = keys("ldap_starttls")
    with directory(), record("ldap_starttls"):
        how = {"url": "ldap://dc1.corp.example", "SSLKEYLOGFILE": log}
        search("-ZZ", *ONE_LEVEL, OBJECT, *LISTED, needs="CCCCC", **how)
        older = how | {"LDAPTLS_CIPHER_SUITE": "NORMAL:-VERS-TLS1.3"}
        search("-ZZ", *AS_READER, *ONE_LEVEL, "(cn=Bare)", "displayName", "msSPP-CSVLKPid", **older)
        # A client that does not know the certificate.
        tool("ldapwhoami", "-ZZ", url="ldap://dc1.corp.example", code=(1,), LDAPTLS_CACERT="/dev/null")
    if log.read_text().count("CLIENT_") < 3:
        raise SystemExit(f"ldap_starttls: no keys: {log.read_text()}")


@recording
def ldap_ldaps():
    log = keys("ldap_ldaps")
    with directory(), record("ldap_ldaps", shown="tcp port 636", layer="tls"):
        how = {"url": "ldaps://dc1.corp.example", "SSLKEYLOGFILE": log}
        search(*ONE_LEVEL, OBJECT, *LISTED, needs="CCCCC", **how)
        older = how | {"LDAPTLS_CIPHER_SUITE": "NORMAL:-VERS-TLS1.3"}
        search(*ONE_LEVEL, f"(msSPP-KMSIds={octets(tree.OFFICE_2024)})", "*", needs="CCCCC", **older)


@recording
def ldif():
    """What the tools write of the tree: in lines of 76 characters, in lines as long as they are, with comments."""
    with directory() as home:

        def written(name, text, entries):
            text = f"# {SYNTHETIC}\n{text}".replace(str(TEMP), "")
            (OUT / f"{name}.ldif").write_text(text)
            save(OUT, name, {"file": f"{name}.ldif", "synthetic": SYNTHETIC, "entries": tree.known(entries)})
            print(f"{name}.ldif: {len(text)} bytes, {len(entries)} entries", flush=True)

        export = ["slapcat", "-f", home / "slapd.conf", "-b", tree.ROOT]
        exported = subprocess.run(export, check=True, capture_output=True, text=True)
        # Times and ids that the server made are no part of what is known.
        written("ldif_slapcat", exported.stdout, tree.WITH_OBJECTS)
        small = [entry for entry in tree.OBJECTS if "Large" not in entry[0]]
        text = "(!(cn=Large*))"
        written("ldif_unwrapped", search("-o", "ldif-wrap=no", *ONE_LEVEL, text), small)
        written("ldif_wrapped", search(*ONE_LEVEL, text), small)
        written("ldif_comments", tool("ldapsearch", "-o", "ldif-wrap=40", *ONE_LEVEL, text), small)
        written("ldif_version", tool("ldapsearch", "-LL", *ONE_LEVEL, "(cn=Bare)"), tree.OBJECTS[3:])
        # Values in files of their own.
        (TEMP / "values").mkdir()
        referring = search("-t", "-T", TEMP / "values", *ONE_LEVEL, "(cn=Office*)")
        (OUT / "ldif_urls.ldif").write_text(f"# {SYNTHETIC}\n{referring.replace(str(TEMP), '')}")


def main(arguments):
    global TEMP, CABLE
    if arguments[:1] != ["--inside"]:
        libraries = {name for path in pathlib.Path("/usr/lib").glob("*/sasl2/*.so") for name in [path.name]}
        # A program that nobody has stands for a library that is not there.
        missing = {f"(no {name})": package for name, package in PLUGINS.items() if name not in libraries}
        stage.prepare(HERE, arguments, debian=DEBIAN | missing, venv="capture-venv", python=PYTHON)
    names = arguments[1:] or list(RECORDINGS)
    CABLE = stage.Cable(
        client=[f"{CLIENT}/24", "fd77::100/64"], server=[*(f"{dc}/24" for dc in NAMES), f"{DC1_6}/64"]
    )
    with tempfile.TemporaryDirectory() as folder:
        hosts = pathlib.Path(folder) / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for address, name in NAMES.items()))
        stage.bind(hosts, "/etc/hosts")
        for name in names:
            TEMP = pathlib.Path(folder) / name
            TEMP.mkdir()
            RECORDINGS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
