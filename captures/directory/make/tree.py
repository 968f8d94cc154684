"""The tree of the recordings: activation objects whose values are public or made up, and what is around them."""

import base64
import hashlib
import uuid

import messages as m

ROOT = "DC=corp,DC=example"
CONFIGURATION = f"CN=Configuration,{ROOT}"
SPP = f"CN=Microsoft SPP,CN=Services,{CONFIGURATION}"
CONTAINER = f"CN=Activation Objects,{SPP}"
READER = f"CN=reader,{ROOT}"
LIMITED = f"CN=limited,{ROOT}"
PASSWORD = "synthetic-password"

# Ids of KMS as the world knows them.
SERVER_2022 = uuid.UUID("b74263e4-0f92-46c6-bcf8-c11d5efe2959")
SERVER_2019 = uuid.UUID("8449b1fb-f0ea-497a-99ab-66ca96e9a0f5")
WINDOWS_10 = uuid.UUID("58e2134f-8e11-4d17-9cb2-91069c151148")
OFFICE_2021 = uuid.UUID("86d50b16-4808-41af-b83b-b338274318b2")
OFFICE_2024 = uuid.UUID("a8973cb5-bf03-0a4c-9cef-703099645ab3")
NOBODYS = uuid.UUID("12345678-9abc-4def-8123-456789abcdef")


def licence(kind, octets):
    """A document that looks like a licence and holds none."""
    head = (
        '<?xml version="1.0" encoding="utf-8"?><r:license xmlns:r="urn:mpeg:mpeg21:2003:01-REL-R-NS">'
        f"<r:title>made-up {kind} licence</r:title><r:grant>"
    )
    lines, tail, at = [], "</r:grant></r:license>", 0
    while len(head) + sum(map(len, lines)) + len(tail) < octets:
        lines.append(f"<made-up>{hashlib.sha256(f'{kind} {at}'.encode()).hexdigest()}</made-up>\r\n")
        at += 1
    return (head + "".join(lines) + tail).encode()


def activation_object(name, shown, sku, ids, *, pid, key, iid=None, cid=None, licences=None, text=None):
    attributes = {
        "objectClass": [b"top", b"msSPP-ActivationObject"],
        "displayName": [shown.encode()],
        "msSPP-CSVLKSkuId": [uuid.UUID(sku).bytes_le],
        "msSPP-KMSIds": [each.bytes_le for each in ids],
        "msSPP-CSVLKPid": [pid.encode()],
        "msSPP-CSVLKPartialProductKey": [key.encode()],
    }
    for attribute, value in (("msSPP-InstallationId", iid), ("msSPP-ConfirmationId", cid), ("description", text)):
        if value is not None:
            attributes[attribute] = [value.encode()]
    for kind, octets in (licences or {}).items():
        attributes[f"msSPP-{kind}License"] = [licence(kind, octets)]
    return f"CN={name},{CONTAINER}", attributes


OBJECTS = [
    activation_object(
        "Windows Server 2022 synthetic",
        "Windows Server 2022 (made up)",
        "ef6cfc9f-8c5d-44ac-9aad-de6a2ea0ae03",
        [SERVER_2022, SERVER_2019, WINDOWS_10],
        pid="00000-04918-000-000001-03-1033-20348.0000-0012022",
        key="BBBBB",
        iid=m.IIDS_63[0],
        cid=m.CID,
        licences={"Online": 2000, "Phone": 1500, "Config": 1200, "Issuance": 900},
    ),
    activation_object(
        "Office synthetic",
        "Büro 2024 – наш (made up)",
        "fceda083-1203-402a-8ec4-3d7ed9f3648c",
        [OFFICE_2024, OFFICE_2021],
        pid="00000-00206-000-000002-03-1033-20348.0000-0022022",
        key="CCCCC",
        iid=m.IIDS_63[1],
        cid=m.CID,
        licences={"Online": 1000},
        text=" begins with a space, ends with a colon:",
    ),
    activation_object(
        "Large\\2C with a comma",
        "Windows Server 2019 with a large licence (made up)",
        "34e1ae55-27f8-4950-8877-7a03be5fb181",
        [SERVER_2019],
        pid="XXXXX-04249-000-000003-03-1033-17763.0000-0032022",
        key="DDDDD",
        licences={"Issuance": 210_000, "Config": 3000},
    ),
    activation_object(
        "Bare",
        "Only what is mandatory (made up)",
        "12345678-9abc-4def-8123-456789abcdef",
        [NOBODYS],
        pid="00000-00000-000-000004-03-1033-0000.0000-0042022",
        key="FFFFF",
    ),
]


def container(dn, kind="container", **more):
    return dn, {"objectClass": [b"top", kind.encode()]} | more


def person(dn):
    return dn, {"objectClass": [b"top", b"person"], "sn": [b"synthetic"], "userPassword": [PASSWORD.encode()]}


AROUND = [
    (ROOT, {"objectClass": [b"top", b"dcObject", b"organization"], "o": [b"synthetic"]}),
    person(READER),
    person(LIMITED),
    container(CONFIGURATION),
    container(f"CN=Services,{CONFIGURATION}"),
]
WITH_OBJECTS = [
    *AROUND,
    container(SPP),
    container(CONTAINER, "msSPP-ActivationObjectsContainer"),
    *OBJECTS,
    # Objects that another server has.
    (
        f"CN=Elsewhere,{SPP}",
        {
            "objectClass": [b"top", b"referral", b"extensibleObject"],
            "ref": [f"ldap://dc2.corp.example/CN=Elsewhere,{SPP}".encode()],
        },
    ),
]
WITHOUT_CONTAINER = AROUND
EMPTY = [*AROUND, container(SPP), container(CONTAINER, "msSPP-ActivationObjectsContainer")]


def ldif(entries):
    """The entries as one may load them: every value in base64, no line wrapped."""
    lines = []
    for dn, attributes in entries:
        lines.append(f"dn: {dn}")
        for attribute, values in attributes.items():
            lines += [f"{attribute}:: {base64.b64encode(value).decode()}" for value in values]
        lines.append("")
    return "\n".join(lines)


def known(entries):
    """What the truth says of entries: text, ids as GUIDs, licences by length and SHA-256."""

    def all_shown(attributes):
        return {name: [shown(name, value) for value in values] for name, values in attributes.items()}

    return [{"dn": dn, "attributes": all_shown(attributes)} for dn, attributes in entries]


def shown(name, value):
    if name.endswith("License"):
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    if name in ("msSPP-CSVLKSkuId", "msSPP-KMSIds"):
        return str(uuid.UUID(bytes_le=value))
    return value.decode()
