"""Writes ldap3.hex and ldap3.ldif beside this file: LDAP messages and LDIF as ldap3 2.9.1 and pyasn1 0.6 make them.

    pip install ldap3==2.9.1 pyasn1==0.6.* && python tests/directory/ldap3_messages.py

All values are made up: ids count up, texts say that they are test values.
"""
import pathlib

from ldap3.operation.abandon import abandon_operation
from ldap3.operation.bind import bind_operation
from ldap3.operation.extended import extended_operation
from ldap3.operation.modify import modify_operation
from ldap3.operation.search import search_operation
from ldap3.operation.unbind import unbind_operation
from ldap3.operation.add import add_operation
from ldap3.operation.delete import delete_operation
from ldap3.protocol.convert import build_controls_list
from ldap3.protocol.rfc2849 import add_ldif_header, operation_to_ldif
from ldap3.protocol import rfc4511 as r
from pyasn1.codec.ber import encoder

FOLDER = pathlib.Path(__file__).parent
CONFIGURATION = "CN=Configuration,DC=test,DC=example"
CONTAINER = "CN=Activation Objects,CN=Microsoft SPP,CN=Services," + CONFIGURATION
DN = "CN=Test Object 7," + CONTAINER
OBJECT = [
    ("objectClass", [b"top", b"msSPP-ActivationObject"]),
    ("cn", [b"Test Object 7"]),
    ("displayName", ["Prüfobjekt".encode()]),
    ("whenCreated", [b"20240102030405.0Z"]),
    ("msSPP-CSVLKSkuId", [bytes(range(16))]),
    ("msSPP-KMSIds", [bytes(range(16, 32)), bytes(range(32, 48))]),
    ("msSPP-CSVLKPid", [b"00000-00000-000-000000-00-0000-0000.0000-0000000"]),
    ("msSPP-CSVLKPartialProductKey", [b"TEST7"]),
    ("msSPP-InstallationId", [b"1" * 63]),
    ("msSPP-ConfirmationId", [b"2" * 48]),
    ("msSPP-ConfigLicense", [b'<?xml version="1.0"?><rg:licenseGroup xmlns:rg="urn:test">' + b"test licence 7 " * 30]),
    ("msSPP-IssuanceLicense", [bytes([0x30, 0x82, 0x01, 0x2C]) + b"7" * 300]),
]

messages = []


def message(name, number, kind, operation, controls=None):
    whole = r.LDAPMessage()
    whole["messageID"] = r.MessageID(number)
    whole["protocolOp"] = r.ProtocolOp().setComponentByName(kind, operation)
    if controls:
        whole["controls"] = build_controls_list(controls)
    messages.append(f"{name} {encoder.encode(whole).hex()}")


def search(base, text, scope, attributes, **more):
    return search_operation(base, text, scope, "NEVER", attributes, more.get("size", 0), more.get("time", 0), more.get("types", False), False, False)


def entry(dn, attributes):
    listed = r.PartialAttributeList()
    for i, (name, values) in enumerate(attributes):
        vals = r.Vals()
        for j, value in enumerate(values):
            vals[j] = r.AttributeValue(value)
        one = r.PartialAttribute()
        one["type"] = r.AttributeDescription(name)
        one["vals"] = vals
        listed[i] = one
    found = r.SearchResultEntry()
    found["object"] = r.LDAPDN(dn)
    found["attributes"] = listed
    return found


def result(kind, code, matched="", diagnostic="", referrals=()):
    done = kind()
    done["resultCode"] = r.ResultCode(code)
    done["matchedDN"] = r.LDAPDN(matched)
    done["diagnosticMessage"] = r.LDAPString(diagnostic)
    if referrals:
        uris = r.Referral()
        for i, uri in enumerate(referrals):
            uris[i] = r.URI(uri)
        done["referral"] = uris
    return done


message("bind_simple", 1, "bindRequest", bind_operation(3, "SIMPLE", "CN=Reader,DC=test", "not kept"))
message("bind_anonymous", 2, "bindRequest", bind_operation(3, "ANONYMOUS"))
message("bind_sasl", 3, "bindRequest", bind_operation(3, "SASL", "", None, "GSS-SPNEGO", b"test token 7"))
bound = result(r.BindResponse, 14)
bound["serverSaslCreds"] = r.ServerSaslCreds(b"test token 8")
message("bind_in_progress", 3, "bindResponse", bound)
message("bind_refused", 1, "bindResponse", result(r.BindResponse, 49, "", "80090308: LdapErr: DSID-0C090400, data 52e"))
message("unbind", 4, "unbindRequest", unbind_operation())
message("root_dse", 5, "searchRequest", search("", "(objectClass=*)", "BASE", ["configurationNamingContext"]))
message("root_dse_entry", 5, "searchResEntry", entry("", [("configurationNamingContext", [CONFIGURATION.encode()])]))
message("done", 5, "searchResDone", result(r.SearchResultDone, 0))
message(
    "activation_search", 6, "searchRequest",
    search(CONTAINER, "(objectClass=msSPP-ActivationObject)", "LEVEL",
           ["displayName", "msSPP-CSVLKSkuId", "msSPP-CSVLKPartialProductKey", "msSPP-CSVLKPid"], size=1000, time=120),
    [("1.2.840.113556.1.4.319", True, b"0\x05\x02\x01\x64\x04\x00"), ("1.2.840.113556.1.4.801", False, None)],
)
message(
    "filter_of_all_kinds", 7, "searchRequest",
    search("DC=test", "(&(|(a=1)(!(b=\\2a\\ff)))(c=x*y*z)(d=*mid*)(e>=5)(f<=6)(g=*)(h~=i)(j:dn:2.4.6:=k)(:1.2.3:=l)"
           "(msSPP-KMSIds=\\00\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f))", "SUBTREE", ["*", "+"], types=True),
)
message("activation_object", 6, "searchResEntry", entry(DN, OBJECT))
reference = r.SearchResultReference()
reference[0] = r.URI("ldap://other.test/" + CONTAINER)
message("reference", 6, "searchResRef", reference)
message("no_such_object", 6, "searchResDone", result(r.SearchResultDone, 32, "CN=Services," + CONFIGURATION, "0000208D: NameErr"))
message("referral", 6, "searchResDone", result(r.SearchResultDone, 10, "", "", ["ldap://a.test/DC=a", "ldap://b.test/DC=b"]))
message("start_tls", 8, "extendedReq", extended_operation("1.3.6.1.4.1.1466.20037"))
granted = result(r.ExtendedResponse, 0)
granted["responseName"] = r.ResponseName("1.3.6.1.4.1.1466.20037")
message("start_tls_granted", 8, "extendedResp", granted)
message("abandon", 9, "abandonRequest", abandon_operation(6))
message("add", 10, "addRequest", add_operation(DN, {name: values for name, values in OBJECT}, False))
message("added", 10, "addResponse", result(r.AddResponse, 0))
message("delete", 11, "delRequest", delete_operation(DN))
message("modify", 12, "modifyRequest", modify_operation(DN, {"displayName": [("MODIFY_REPLACE", [b"other"])]}, False))
(FOLDER / "ldap3.hex").write_text("\n".join(messages) + "\n")

found = [{"type": "searchResEntry", "dn": DN, "raw_attributes": dict(OBJECT)},
         {"type": "searchResEntry", "dn": "CN=Prüfung,DC=test", "raw_attributes": {"description": [b" leading", b"plain"]}}]
lines = add_ldif_header(operation_to_ldif("searchResponse", found))
(FOLDER / "ldap3.ldif").write_text("\n".join(lines) + "\n")
