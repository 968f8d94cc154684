"""The documents of the services: what a client asks with, what the test server answers with.

Written after the project's notes on the protocol. Every identifier is either a published sample or made up in plain
sight (product keys of repeated letters, binding bytes that count up).
"""

import base64
import hashlib
import hmac
from xml.etree import ElementTree
from xml.sax.saxutils import escape

DIGEST_KEY = bytes.fromhex("fe319875fb4884869cf3f1ce99a89064ab571fca470450583024e214628779a0")

PID = "00000-04249-038-820384-03-2052-9200.0000-0902023"
PID_MASKED = "XXXXX-04249-038-820384-03-2052-9200.0000-0902023"
PID_VECTOR = "12345-67890-123-456789-03-1033-9200.0000-0012013"
IID_VECTOR = "0" * 54

# The first of the longer ones is the one whose confirmation ID was published with it.
IIDS_63 = [
    "330512311875727788090139496334835149954645445802270599047875924",
    "209200177437440198194193547128466754585074098382223107026650642",
    "468095188436105980015579375254738813945736399813462042064351441",
    "253037440405119108201413961093786848722385303726677949056629205",
    "461121238112207643535798495427899021366981463071071259601106480",
    "033255090385053904665824186342756737844895181384546394354129604",
    "489126343257012289105546522085205332958764158851011127139061121",
]
IIDS_54 = [
    "020650770493837252929082195773527024195725809211989214",
    "070846984606199354110900862045444713121295109842549701",
    "011463949662622155196245012063919780616445704832476350",
    "174870668946274240336606733670591795582666670962492131",
    "086680618254417674185413128320279945620426138745737550",
]
IID = IIDS_63[0]
# Published IIDs with one digit changed, such that a group's check digit no longer fits.
IIDS_WRONG = ["7" + IIDS_63[1][1:], IIDS_54[0][:-1] + "9"]
CID = "429292031401597794898455690612212251894655189294"
BATCH_ID = "{976cbe56-21e5-4e13-bdc3-4e72d7ab48fd}"

ERROR_CODES = [
    "0x67", "0x68", "0x7F", "0x86", "0x90", "0x71", "0x8E", "0x8D", "0xD5", "0xD6",
    "0xC004C017", "0x80131600", "0x80131509", "0x80004003",
]  # fmt: skip

SOAP_NAMESPACE = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
BATCH_PATH = "/BatchActivation/BatchActivation.asmx"
BATCH_ACTION = "http://www.microsoft.com/BatchActivationService/BatchActivate"
BATCH_NAMESPACE = "http://www.microsoft.com/BatchActivationService"
REQUEST_NAMESPACE = "http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0"
RESPONSE_NAMESPACE = "http://www.microsoft.com/DRM/SL/BatchActivationResponse/1.0"
TRUST_NAMESPACE = "http://schemas.xmlsoap.org/ws/2004/04/security/trust"

# Token service: path, the name in its SOAPAction, TokenType.
TOKEN_SERVICES = {
    "SPC": ("/slspc/SLActivate.asmx", "ActivationService", "SPC"),
    "RAC": ("/slrac/SLCertify.asmx", "CertificationService", "RAC"),
    "PKC": ("/slpkc/SLCertifyProduct.asmx", "ProductCertificationService", "PKC"),
    "EUL": ("/sllicensing/SLLicense.asmx", "LicensingService", "UseLicense"),
    "ProductActivation": (
        "/SLActivateProduct/SLActivateProduct.asmx?configextension=Retail",
        "ProductActivationService",
        "ProductActivation",
    ),
}

PRODUCT_KEY = "BBBBB-CCCCC-DDDDD-FFFFF-GGGGG"
CONFIG_ID = "msft2009:00000000-1111-2222-3333-444444444444&" + base64.b64encode(bytes(range(0x40, 0x52))).decode()
BINDING = base64.b64encode(bytes(range(0x60, 0xA0))).decode()
SECURE_STORE_ID = "{55555555-6666-7777-8888-999999999999}"


def digest(document, key=DIGEST_KEY):
    return base64.b64encode(hmac.new(key, document, hashlib.sha256).digest()).decode()


def inner_request(request_type, items, *, indent=False, prefix="", encoding="utf-16-le"):
    """The inner request document's bytes; `items` are pairs of PID and IID, the IID None for the remaining count."""
    tag = f"{prefix}:" if prefix else ""
    declared = f'xmlns:{prefix}="{REQUEST_NAMESPACE}"' if prefix else f'xmlns="{REQUEST_NAMESPACE}"'
    lines = [
        (0, f"<{tag}ActivationRequest {declared}>"),
        (1, f"<{tag}VersionNumber>2.0</{tag}VersionNumber>"),
        (1, f"<{tag}RequestType>{request_type}</{tag}RequestType>"),
        (1, f"<{tag}Requests>"),
    ]
    for pid, iid in items:
        lines.append((2, f"<{tag}Request>"))
        lines.append((3, f"<{tag}PID>{pid}</{tag}PID>"))
        if iid is not None:
            lines.append((3, f"<{tag}IID>{iid}</{tag}IID>"))
        lines.append((2, f"</{tag}Request>"))
    lines += [(1, f"</{tag}Requests>"), (0, f"</{tag}ActivationRequest>")]
    if indent:
        text = "\r\n".join("  " * depth + line for depth, line in lines)
    else:
        text = "".join(line for _, line in lines)
    return text.encode(encoding)


def batch_request(document, document_digest, *, soap="1.1"):
    """The envelope around an inner request document."""
    request_xml = base64.b64encode(document).decode()
    return envelope(
        f'<BatchActivate xmlns="{BATCH_NAMESPACE}"><request><Digest>{document_digest}</Digest>'
        f"<RequestXml>{request_xml}</RequestXml></request></BatchActivate>",
        soap,
    )


def batch_headers(soap="1.1", *, quoted=True):
    if soap == "1.2":
        return [("Content-Type", f'application/soap+xml; charset=utf-8; action="{BATCH_ACTION}"')]
    if quoted:
        return [("Content-Type", 'text/xml; charset="utf-8"'), ("SOAPAction", f'"{BATCH_ACTION}"')]
    return [("Content-Type", "text/xml; charset=utf-8"), ("SOAPAction", BATCH_ACTION)]


def inner_response(response_type, items, *, batch_error=None, batch_id=BATCH_ID, declaration=True):
    """The inner response document, as text; `items` are dicts with pid, iid, cid, remaining, error."""
    text = '<?xml version="1.0" encoding="utf-16"?>' if declaration else ""
    text += (
        '<ActivationResponse xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="{RESPONSE_NAMESPACE}">'
        f"<VersionNumber>1.0</VersionNumber><ResponseType>{response_type}</ResponseType>"
    )
    if batch_id is not None:
        text += f"<BatchId>{batch_id}</BatchId>"
    if batch_error is not None:
        text += f"<ErrorInfo><ErrorCode>{batch_error}</ErrorCode></ErrorInfo>"
    if items:
        text += "<Responses>"
        for item in items:
            text += f"<Response><PID>{item['pid']}</PID>"
            for name, field in (("ActivationRemaining", "remaining"), ("IID", "iid"), ("CID", "cid")):
                if item[field] is not None:
                    text += f"<{name}>{item[field]}</{name}>"
            if item["error"] is not None:
                text += f"<ErrorInfo><ErrorCode>{item['error']}</ErrorCode></ErrorInfo>"
            text += "</Response>"
        text += "</Responses>"
    return text + "</ActivationResponse>"


def batch_response(inner, *, soap="1.1", cdata=False):
    """The envelope around an inner response document."""
    text = f"<![CDATA[{inner}]]>" if cdata else escape(inner)
    return envelope(
        f'<BatchActivateResponse xmlns="{BATCH_NAMESPACE}"><BatchActivateResult><ResponseXml>{text}</ResponseXml>'
        "</BatchActivateResult></BatchActivateResponse>",
        soap,
    )


def claims(service):
    """The claims of a token service. The one-shot's names are known; the others' are a made-up choice of them."""
    key = [
        ("ProductKey", PRODUCT_KEY),
        ("ProductKeyType", "msft:rm/algorithm/pkey/2009"),
        ("ProductKeyActConfigId", CONFIG_ID),
    ]
    binding = [("BindingType", "msft:rm/algorithm/hwid/4.0"), ("Binding", BINDING)]
    clock = [
        ("ClientInformation", "SystemUILanguageId=1033;UserUILanguageId=1033;GeoId=244"),
        ("ClientSystemTime", "2024-01-02T03:04:05Z"),
        ("ClientSystemTimeUtc", "2024-01-02T03:04:05Z"),
    ]
    licence = [
        ("otherInfoPublic.licenseCategory", "msft:sl/EUL/ACTIVATED/PUBLIC"),
        ("otherInfoPublic.sysprepAction", "rearm"),
        ("otherInfoPrivate.secureStoreId", SECURE_STORE_ID),
    ]
    return {
        "SPC": clock,
        "RAC": binding + clock,
        "PKC": key + clock,
        "EUL": binding + licence + clock,
        "ProductActivation": binding + key + licence + clock,
    }[service]


def token_request(service, entries, *, declared=None, soap="1.1"):
    """RequestSecurityToken; `declared` is the number of claims that its arrayType names, if not the true one."""
    token_type = TOKEN_SERVICES[service][2]
    use_key = [("PublicKey", base64.b64encode(bytes(range(16))).decode())] if service == "RAC" else []
    return (
        envelope(
            f'<RequestSecurityToken xmlns="{TRUST_NAMESPACE}"><TokenType>{token_type}</TokenType>'
            f"<RequestType>{TRUST_NAMESPACE}/Issue</RequestType>"
            f"<UseKey>{token_values(use_key)}</UseKey><Claims>{token_values(entries, declared)}</Claims>"
            "</RequestSecurityToken>",
            soap,
            encoding_namespace=True,
        ),
        use_key,
    )


def token_values(entries, declared=None):
    if not entries:
        return '<Values xsi:nil="1"/>'
    inside = "".join(
        f"<TokenEntry><Name>{escape(name)}</Name><Value>{escape(value)}</Value></TokenEntry>" for name, value in entries
    )
    count = len(entries) if declared is None else declared
    return f'<Values xmlns:q1="{TRUST_NAMESPACE}" soapenc:arrayType="q1:TokenEntry[{count}]">{inside}</Values>'


def token_headers(service):
    return [
        ("User-Agent", "SLSSoapClient"),
        ("Content-Type", "text/xml; charset=utf-8"),
        ("SOAPAction", f'"http://microsoft.com/SL/{TOKEN_SERVICES[service][1]}/IssueToken"'),
    ]


def token_response(service, licence, *, soap="1.1"):
    token_type = TOKEN_SERVICES[service][2]
    return envelope(
        f'<RequestSecurityTokenResponse xmlns="{TRUST_NAMESPACE}"><TokenType>{token_type}</TokenType>'
        f"<RequestedSecurityToken><TmsResponseToken>{token_values([(token_type, licence)])}"
        "</TmsResponseToken></RequestedSecurityToken></RequestSecurityTokenResponse>",
        soap,
        encoding_namespace=True,
    )


def licence(service):
    """What stands where a licence would: text of the same shape that licenses nothing."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><r:license xmlns:r="urn:mpeg:mpeg21:2003:01-REL-R-NS"'
        f' licenseId="{{aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee}}"><r:title>Synthetic {service} &amp; no licence</r:title>'
        "<r:issuer><Signature>c3ludGhldGlj</Signature></r:issuer></r:license>"
    )


def fault(code, reason, *, soap="1.1", hresult=None, messages=()):
    """A SOAP fault; its code is given by its 1.1 name (Client, Server)."""
    inside = "" if hresult is None else f"<HRESULT>{hresult}</HRESULT>"
    if messages:
        inside += "<Messages>" + "".join(f"<Message>{escape(m)}</Message>" for m in messages) + "</Messages>"
    if soap == "1.2":
        code = fault_code(code, soap)
        detail = f"<soap:Detail>{inside}</soap:Detail>" if inside else ""
        body = (
            f"<soap:Fault><soap:Code><soap:Value>{code}</soap:Value></soap:Code><soap:Reason>"
            f'<soap:Text xml:lang="en">{escape(reason)}</soap:Text></soap:Reason>{detail}</soap:Fault>'
        )
    else:
        detail = f"<detail>{inside}</detail>"
        body = (
            f"<soap:Fault><faultcode>{fault_code(code, soap)}</faultcode>"
            f"<faultstring>{escape(reason)}</faultstring>{detail}</soap:Fault>"
        )
    return envelope(body, soap)


def fault_code(code, soap):
    if soap == "1.2":
        code = {"Client": "Sender", "Server": "Receiver"}[code]
    return f"soap:{code}"


def envelope(body, soap, *, encoding_namespace=False):
    more = ' xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"' if encoding_namespace else ""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{SOAP_NAMESPACE[soap]}"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f"{more}><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def local_name(element):
    return element.tag.rpartition("}")[2]


def children(element, name):
    return [child for child in element.iter() if local_name(child) == name]


def text_of(element, name):
    found = children(element, name)
    return found[0].text if found else None


def parse_inner(document):
    """Request type and items of an inner request document, in whichever of the two encodings it is."""
    encoding = "utf-16-le" if document[1:2] == b"\0" else "utf-8"
    root = ElementTree.fromstring(document.decode(encoding))
    items = [(text_of(r, "PID"), text_of(r, "IID")) for r in children(root, "Request")]
    return int(text_of(root, "RequestType")), items
