use std::collections::HashSet;

use crate::mak::{
    BATCH_SERVICE, BatchRequest, BatchResponse, Charset, Check, ConfigExtension, Content, DigestCheck,
    Encoding, ErrorInfo, Fault, Message, REQUEST_DOCUMENT, RESPONSE_DOCUMENT, RequestDocument, RequestType,
    ResponseDocument, ResponseForm, ResponseItem, SoapVersion, TRUST, TokenRequest, TokenResponse,
    TokenService, TokenValues, is_service_host,
};
use crate::trace::{Body, Carrier, MakExchange, RequestHead, Service};
use crate::wire::{Epid, Error, ErrorKind};

use super::super::rule::{About, Family, Judgement, Level, Rule, Subject};
use super::judgements::{each_numbered, of};

use Judgement::NotApplicable;

/// MAK's services.
pub(super) const FAMILY: Family = Family { name: "mak-service", title: "MAK's services", rules: RULES };

const RULES: &[Rule] = &[
    Rule {
        id: "MAK-HTTP-METHOD",
        title: "A service is asked with POST",
        level: Level::Must,
        authority: "SOAP 1.1 section 6.1; SOAP 1.2 Part 2 section 7",
        looks_at: "The method of each request with a service's document in its body.",
        holds: "It is POST.",
        about: About::Client,
        tags: &["http"],
        subject: Subject::Mak(method),
    },
    Rule {
        id: "MAK-HTTP-TLS",
        title: "A service is asked over TLS",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs: the address of BatchActivation is https",
        looks_at: "How each request to a service came: in TLS or not, or with which scheme in its URL.",
        holds: "It came in TLS.",
        about: About::Client,
        tags: &["http", "tls"],
        subject: Subject::Mak(tls),
    },
    Rule {
        id: "MAK-HTTP-HOST",
        title: "A service's host is below sls.microsoft.com",
        level: Level::Observed,
        authority: "Observed: activation.sls.microsoft.com and activation-v2.sls.microsoft.com",
        looks_at: "The host that each request to a service names in Host or in its URL.",
        holds: "It is below sls.microsoft.com.",
        about: About::Client,
        tags: &["http"],
        subject: Subject::Mak(host),
    },
    Rule {
        id: "MAK-HTTP-PATH",
        title: "A service is asked at its own path",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs (BatchActivation); community descriptions of internet activation",
        looks_at: "The path of each request, and the service whose document its body has.",
        holds: "The path is that service's.",
        about: About::Client,
        tags: &["http"],
        subject: Subject::Mak(path),
    },
    Rule {
        id: "MAK-CONTENT-TYPE",
        title: "A request in SOAP 1.1 has Content-Type text/xml",
        level: Level::Must,
        authority: "SOAP 1.1 section 6; RFC 3902 section 1 (application/soap+xml is of SOAP 1.2 alone)",
        looks_at: "Content-Type of each request over HTTP in an envelope of SOAP 1.1.",
        holds: "It is text/xml.",
        about: About::Client,
        tags: &["http", "soap"],
        subject: Subject::Mak(request_content_type),
    },
    Rule {
        id: "MAK-CHARSET",
        title: "A request's charset is what its characters are written in",
        level: Level::Should,
        authority: "RFC 7303 section 3",
        looks_at: "The charset parameter of Content-Type, where it names a form of Unicode, and the body of each request.",
        holds: "The body is written in that form.",
        about: About::Client,
        tags: &["http"],
        subject: Subject::Mak(request_charset),
    },
    Rule {
        id: "MAK-SOAP-ACTION",
        title: "A request in SOAP 1.1 has a SOAPAction",
        level: Level::Must,
        authority: "SOAP 1.1 section 6.1.1",
        looks_at: "The head of each request over HTTP in an envelope of SOAP 1.1.",
        holds: "SOAPAction is there.",
        about: About::Client,
        tags: &["http", "soap"],
        subject: Subject::Mak(action_there),
    },
    Rule {
        id: "MAK-SOAP-ACTION-SERVICE",
        title: "SOAPAction is that of the service whose document the body has",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs (BatchActivate); community descriptions of internet activation",
        looks_at: "SOAPAction of each request, or the action of its Content-Type, and its body.",
        holds: "The action is the one of the body's service.",
        about: About::Client,
        tags: &["http", "soap"],
        subject: Subject::Mak(action_service),
    },
    Rule {
        id: "MAK-SOAP-ENVELOPE",
        title: "A request over HTTP is in an envelope of SOAP 1.1 or 1.2",
        level: Level::Must,
        authority: "SOAP 1.1 section 4; SOAP 1.2 Part 1 section 5",
        looks_at: "The root element of each request over HTTP that has a service's document.",
        holds: "It is an Envelope in the namespace of SOAP 1.1 or 1.2.",
        about: About::Client,
        tags: &["soap"],
        subject: Subject::Mak(request_envelope),
    },
    Rule {
        id: "MAK-REQUEST-XML",
        title: "A request can be read to its end",
        level: Level::Must,
        authority: "XML 1.0 section 2.1 (well-formed documents)",
        looks_at: "The body of each request with a service's document, where all of it was captured.",
        holds: "It is well-formed.",
        about: About::Client,
        tags: &["xml"],
        subject: Subject::Mak(request_readable),
    },
    Rule {
        id: "MAK-BATCH-NAMESPACE",
        title: "BatchActivate is in its namespace",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "The namespace of BatchActivate in each batch request.",
        holds: "It is http://www.microsoft.com/BatchActivationService.",
        about: About::Client,
        tags: &["batch", "xml"],
        subject: Subject::Mak(batch_namespace),
    },
    Rule {
        id: "MAK-BATCH-DIGEST",
        title: "Digest is the HMAC of the bytes of RequestXml",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest: HMAC-SHA256 over the bytes in UTF-16LE",
        looks_at: "Digest of each batch request whose RequestXml is whole.",
        holds: "It is base64 of HMAC-SHA256 over the very bytes that RequestXml stands for.",
        about: About::Client,
        tags: &["batch", "digest"],
        subject: Subject::Mak(digest),
    },
    Rule {
        id: "MAK-REQUESTXML-BASE64",
        title: "RequestXml is there and is base64",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "RequestXml of each batch request whose body is whole.",
        holds: "It is base64 from its first character to its last.",
        about: About::Client,
        tags: &["batch"],
        subject: Subject::Mak(request_xml_base64),
    },
    Rule {
        id: "MAK-REQUESTXML-ENCODING",
        title: "The document in RequestXml is UTF-16LE without a byte order mark",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "The first bytes of what RequestXml stands for.",
        holds: "They are UTF-16LE, and no byte order mark.",
        about: About::Client,
        tags: &["batch"],
        subject: Subject::Mak(request_xml_encoding),
    },
    Rule {
        id: "MAK-REQUESTXML-DOCUMENT",
        title: "The document in RequestXml can be read to its end",
        level: Level::Must,
        authority: "XML 1.0 section 2.1 (well-formed documents); Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "What RequestXml of each batch request stands for, where that is base64.",
        holds: "It is a well-formed ActivationRequest.",
        about: About::Client,
        tags: &["batch", "xml"],
        subject: Subject::Mak(request_xml_document),
    },
    Rule {
        id: "MAK-REQUEST-NAMESPACE",
        title: "ActivationRequest is in its namespace",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "The namespace of ActivationRequest in each batch request.",
        holds: "It is http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0.",
        about: About::Client,
        tags: &["batch", "xml"],
        subject: Subject::Mak(request_namespace),
    },
    Rule {
        id: "MAK-REQUEST-VERSION",
        title: "A batch request has version 2.0",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "VersionNumber of each batch request.",
        holds: "It is 2.0.",
        about: About::Client,
        tags: &["batch"],
        subject: Subject::Mak(request_version),
    },
    Rule {
        id: "MAK-REQUEST-TYPE",
        title: "A batch request is of type 1 or 2",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest and ParseSoapResponse",
        looks_at: "RequestType of each batch request.",
        holds: "It is 1 (a confirmation ID is wanted) or 2 (what is left of a key).",
        about: About::Client,
        tags: &["batch"],
        subject: Subject::Mak(request_type),
    },
    Rule {
        id: "MAK-REQUEST-ITEMS",
        title: "A batch request asks about something",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest, which always asks about one",
        looks_at: "The Requests of each batch request.",
        holds: "There is at least one.",
        about: About::Client,
        tags: &["batch"],
        subject: Subject::Mak(request_items),
    },
    Rule {
        id: "MAK-REQUEST-IID",
        title: "A request for a confirmation ID has an installation ID",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "Each item of a batch request of type 1.",
        holds: "It has an IID, and that is not empty.",
        about: About::Client,
        tags: &["batch", "iid"],
        subject: Subject::Mak(request_iid),
    },
    Rule {
        id: "MAK-REQUEST-NO-IID",
        title: "A request for what is left of a key has no installation ID",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest",
        looks_at: "Each item of a batch request of type 2.",
        holds: "It has no IID.",
        about: About::Client,
        tags: &["batch", "iid"],
        subject: Subject::Mak(request_no_iid),
    },
    Rule {
        id: "MAK-REQUEST-PID",
        title: "A batch request has an extended product ID for each item",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, CreateSoapRequest: PID is the extended product ID",
        looks_at: "PID of each item of a batch request.",
        holds: "It is PPPPP-GGGGG-SSS-SSSSSS-CC-LLLL-BBBBB.BBBB-DDDYYYY, with XXXXX for PPPPP if that is masked.",
        about: About::Client,
        tags: &["batch", "pid"],
        subject: Subject::Mak(request_pid),
    },
    Rule {
        id: "MAK-REQUEST-PID-CHANNEL",
        title: "A batch request is about volume keys",
        level: Level::Observed,
        authority: "Observed: BatchActivation, the recorded answer; ErrorCode 0x86 is for keys of a wrong type",
        looks_at: "The channel of each extended product ID of a batch request.",
        holds: "It is 03.",
        about: About::Client,
        tags: &["batch", "pid"],
        subject: Subject::Mak(request_pid_channel),
    },
    Rule {
        id: "MAK-STATUS",
        title: "An answer with a result has a status of success",
        level: Level::Must,
        authority: "SOAP 1.1 section 6.2; SOAP 1.2 Part 2 section 7.5",
        looks_at: "The status of each answer over HTTP that has a batch response or a token.",
        holds: "It is 200 to 299.",
        about: About::Server,
        tags: &["http"],
        subject: Subject::Mak(status),
    },
    Rule {
        id: "MAK-FAULT-STATUS",
        title: "A fault of SOAP 1.1 has status 500",
        level: Level::Must,
        authority: "SOAP 1.1 section 6.2",
        looks_at: "The status of each answer over HTTP with a fault in an envelope of SOAP 1.1.",
        holds: "It is 500.",
        about: About::Server,
        tags: &["http", "fault"],
        subject: Subject::Mak(fault_status),
    },
    Rule {
        id: "MAK-ANSWER-CONTENT-TYPE",
        title: "An answer in SOAP 1.1 has Content-Type text/xml",
        level: Level::Must,
        authority: "SOAP 1.1 section 6; RFC 3902 section 1 (application/soap+xml is of SOAP 1.2 alone)",
        looks_at: "Content-Type of each answer over HTTP in an envelope of SOAP 1.1.",
        holds: "It is text/xml.",
        about: About::Server,
        tags: &["http", "soap"],
        subject: Subject::Mak(answer_content_type),
    },
    Rule {
        id: "MAK-ANSWER-CHARSET",
        title: "An answer's charset is what its characters are written in",
        level: Level::Should,
        authority: "RFC 7303 section 3",
        looks_at: "The charset parameter of Content-Type, where it names a form of Unicode, and the body of each answer.",
        holds: "The body is written in that form.",
        about: About::Server,
        tags: &["http"],
        subject: Subject::Mak(answer_charset),
    },
    Rule {
        id: "MAK-ANSWER-SOAP",
        title: "An answer has the request's version of SOAP",
        level: Level::Should,
        authority: "SOAP 1.2 Part 1 appendix A",
        looks_at: "The envelopes of each request and its answer, where both are of a known version.",
        holds: "They are of the same version.",
        about: About::Server,
        tags: &["soap"],
        subject: Subject::Mak(answer_soap),
    },
    Rule {
        id: "MAK-ANSWER-XML",
        title: "An answer can be read to its end",
        level: Level::Must,
        authority: "XML 1.0 section 2.1 (well-formed documents)",
        looks_at: "The body of each answer with a service's document or a fault, where all of it was captured.",
        holds: "It is well-formed.",
        about: About::Server,
        tags: &["xml"],
        subject: Subject::Mak(answer_readable),
    },
    Rule {
        id: "MAK-ANSWER-NAMESPACE",
        title: "BatchActivateResponse is in its namespace",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which finds nothing in another one",
        looks_at: "The namespace of BatchActivateResponse in each batch response.",
        holds: "It is http://www.microsoft.com/BatchActivationService.",
        about: About::Server,
        tags: &["batch", "xml"],
        subject: Subject::Mak(answer_namespace),
    },
    Rule {
        id: "MAK-RESPONSEXML-FORM",
        title: "ResponseXml is escaped text",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse",
        looks_at: "ResponseXml of each batch response.",
        holds: "It has the document as escaped text, not as base64 nor as elements.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(response_form),
    },
    Rule {
        id: "MAK-RESPONSEXML-DOCUMENT",
        title: "The document in ResponseXml can be read to its end",
        level: Level::Must,
        authority: "XML 1.0 section 2.1 (well-formed documents); Microsoft's activationws, Activation.cs, ParseSoapResponse",
        looks_at: "What ResponseXml of each batch response holds.",
        holds: "It is a well-formed ActivationResponse.",
        about: About::Server,
        tags: &["batch", "xml"],
        subject: Subject::Mak(response_document),
    },
    Rule {
        id: "MAK-RESPONSE-NAMESPACE",
        title: "ActivationResponse is in its namespace",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which finds nothing in another one",
        looks_at: "The namespace of ActivationResponse in each batch response.",
        holds: "It is http://www.microsoft.com/DRM/SL/BatchActivationResponse/1.0.",
        about: About::Server,
        tags: &["batch", "xml"],
        subject: Subject::Mak(response_namespace),
    },
    Rule {
        id: "MAK-RESPONSE-VERSION",
        title: "A batch response has version 1.0",
        level: Level::Observed,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "VersionNumber of each batch response.",
        holds: "It is 1.0.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(response_version),
    },
    Rule {
        id: "MAK-RESPONSE-TYPE",
        title: "A batch response is of the request's type",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which reads what the response's type has",
        looks_at: "ResponseType of each batch response, and RequestType of its request.",
        holds: "They are equal.",
        about: About::Server,
        tags: &["batch", "echo"],
        subject: Subject::Mak(response_type),
    },
    Rule {
        id: "MAK-RESPONSE-BATCH-ID",
        title: "A batch response has a GUID as its BatchId",
        level: Level::Observed,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "BatchId of each batch response that is no error of the whole batch, or has one.",
        holds: "It is a GUID in braces.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(batch_id),
    },
    Rule {
        id: "MAK-RESPONSE-CONTENT",
        title: "A batch response has answers or an error",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which needs a CID, an ActivationRemaining or an ErrorCode",
        looks_at: "The Responses and the ErrorInfo of each batch response.",
        holds: "There is at least one answer, or an error of the whole batch.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(response_content),
    },
    Rule {
        id: "MAK-ECHO-COUNT",
        title: "A batch response has an answer for each item",
        level: Level::Should,
        authority: "Observed: BatchActivation, the recorded answer, of one item",
        looks_at: "The number of answers of each batch response that has any.",
        holds: "It is the number of the request's items.",
        about: About::Server,
        tags: &["batch", "echo"],
        subject: Subject::Mak(echo_count),
    },
    Rule {
        id: "MAK-ECHO-ORDER",
        title: "The answers of a batch stand in the order of the request",
        level: Level::May,
        authority: "Not documented: the recorded answer has one item",
        looks_at: "The place of each answer whose PID and IID were asked about.",
        holds: "It is the place of the item that they were asked in.",
        about: About::Server,
        tags: &["batch", "echo"],
        subject: Subject::Mak(echo_order),
    },
    Rule {
        id: "MAK-ECHO-PID",
        title: "An answer repeats the product ID that was asked about",
        level: Level::Should,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "PID of each answer of a batch response.",
        holds: "It is one of the request's.",
        about: About::Server,
        tags: &["batch", "echo", "pid"],
        subject: Subject::Mak(echo_pid),
    },
    Rule {
        id: "MAK-ECHO-IID",
        title: "An answer repeats the installation ID that was asked about",
        level: Level::Should,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "IID of each answer of a batch response that is no error.",
        holds: "It is the one that was asked about with this PID.",
        about: About::Server,
        tags: &["batch", "echo", "iid"],
        subject: Subject::Mak(echo_iid),
    },
    Rule {
        id: "MAK-RESPONSE-CID",
        title: "An answer of type 1 has a confirmation ID",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse",
        looks_at: "Each answer of a batch response of type 1 that is no error.",
        holds: "It has a CID, and that is not empty.",
        about: About::Server,
        tags: &["batch", "cid"],
        subject: Subject::Mak(response_cid),
    },
    Rule {
        id: "MAK-RESPONSE-NO-CID",
        title: "An answer of type 2 has no confirmation ID",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which reads ActivationRemaining of it alone",
        looks_at: "Each answer of a batch response of type 2.",
        holds: "It has no CID.",
        about: About::Server,
        tags: &["batch", "cid"],
        subject: Subject::Mak(response_no_cid),
    },
    Rule {
        id: "MAK-RESPONSE-CID-OR-ERROR",
        title: "An error comes without a confirmation ID",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which passes over the CID beside an error",
        looks_at: "Each answer of a batch response that is an error.",
        holds: "It has no CID.",
        about: About::Server,
        tags: &["batch", "cid", "error"],
        subject: Subject::Mak(cid_or_error),
    },
    Rule {
        id: "MAK-REMAINING-UNKNOWN",
        title: "An answer of type 1 does not count what is left",
        level: Level::Observed,
        authority: "Observed: BatchActivation, the recorded answer",
        looks_at: "ActivationRemaining of each answer of a batch response of type 1 that is no error.",
        holds: "It is -1.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(remaining_unknown),
    },
    Rule {
        id: "MAK-REMAINING-COUNT",
        title: "An answer of type 2 counts what is left",
        level: Level::Should,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse, which needs it",
        looks_at: "ActivationRemaining of each answer of a batch response of type 2 that is no error.",
        holds: "It is there, and not negative.",
        about: About::Server,
        tags: &["batch"],
        subject: Subject::Mak(remaining_count),
    },
    Rule {
        id: "MAK-ERROR-CODE",
        title: "An error has a code",
        level: Level::Must,
        authority: "Microsoft's activationws, Activation.cs, ParseSoapResponse: codes are text with 0x in front",
        looks_at: "ErrorCode of each ErrorInfo of a batch response.",
        holds: "It is 0x and one to eight hex digits.",
        about: About::Server,
        tags: &["batch", "error"],
        subject: Subject::Mak(error_code),
    },
    Rule {
        id: "MAK-ERROR-KNOWN",
        title: "An error's code is one that somebody has described",
        level: Level::Observed,
        authority: "Observed: Microsoft's activationws and community descriptions",
        looks_at: "The code of each error of a batch response.",
        holds: "It is one of those whose meaning is known.",
        about: About::Server,
        tags: &["batch", "error"],
        subject: Subject::Mak(error_known),
    },
    Rule {
        id: "MAK-FAULT-CODE",
        title: "A fault has a code",
        level: Level::Must,
        authority: "SOAP 1.1 section 4.4; SOAP 1.2 Part 1 section 5.4",
        looks_at: "faultcode of each fault, or the Value of its Code.",
        holds: "It is there, and not empty.",
        about: About::Server,
        tags: &["fault"],
        subject: Subject::Mak(fault_code),
    },
    Rule {
        id: "MAK-FAULT-REASON",
        title: "A fault has a reason",
        level: Level::Must,
        authority: "SOAP 1.1 section 4.4; SOAP 1.2 Part 1 section 5.4",
        looks_at: "faultstring of each fault, or the Text of its Reason.",
        holds: "It is there.",
        about: About::Server,
        tags: &["fault"],
        subject: Subject::Mak(fault_reason),
    },
    Rule {
        id: "MAK-FAULT-HRESULT",
        title: "A token service's fault has an HRESULT",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation",
        looks_at: "The detail of each fault that a token service answers with.",
        holds: "It has an HRESULT.",
        about: About::Server,
        tags: &["fault", "token"],
        subject: Subject::Mak(fault_hresult),
    },
    Rule {
        id: "MAK-FAULT-FAMILY",
        title: "A token service's HRESULT is of activation",
        level: Level::Observed,
        authority: "Observed: 0xC004B0xx of the activation server and 0xC004C0xx of the clearing house",
        looks_at: "The HRESULT of each fault that a token service answers with.",
        holds: "It is 0xC004Bxxx or 0xC004Cxxx.",
        about: About::Server,
        tags: &["fault", "token"],
        subject: Subject::Mak(fault_family),
    },
    Rule {
        id: "TOKEN-NAMESPACE",
        title: "RequestSecurityToken is in its namespace",
        level: Level::Should,
        authority: "Community descriptions of internet activation",
        looks_at: "The namespace of RequestSecurityToken in each request to a token service.",
        holds: "It is http://schemas.xmlsoap.org/ws/2004/04/security/trust.",
        about: About::Client,
        tags: &["token", "xml"],
        subject: Subject::Mak(token_namespace),
    },
    Rule {
        id: "TOKEN-TYPE",
        title: "A token of a known type is asked for",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation",
        looks_at: "TokenType of each request to a token service.",
        holds: "It is SPC, RAC, PKC, UseLicense or ProductActivation.",
        about: About::Client,
        tags: &["token"],
        subject: Subject::Mak(token_type),
    },
    Rule {
        id: "TOKEN-REQUEST-TYPE",
        title: "A token is asked to be issued",
        level: Level::Should,
        authority: "Community descriptions of internet activation",
        looks_at: "RequestType of each request to a token service.",
        holds: "It is http://schemas.xmlsoap.org/ws/2004/04/security/trust/Issue.",
        about: About::Client,
        tags: &["token"],
        subject: Subject::Mak(token_request_type),
    },
    Rule {
        id: "TOKEN-ARRAY",
        title: "A request's arrayType counts its entries",
        level: Level::Should,
        authority: "SOAP 1.1 section 5.4.2",
        looks_at: "arrayType of UseKey and of Claims in each request to a token service.",
        holds: "The number in it is that of the entries.",
        about: About::Client,
        tags: &["token"],
        subject: Subject::Mak(token_array),
    },
    Rule {
        id: "TOKEN-ARRAY-ANSWER",
        title: "An answer's arrayType counts its entries",
        level: Level::Should,
        authority: "SOAP 1.1 section 5.4.2",
        looks_at: "arrayType of the Values in each answer of a token service.",
        holds: "The number in it is that of the entries.",
        about: About::Server,
        tags: &["token"],
        subject: Subject::Mak(token_array_answer),
    },
    Rule {
        id: "TOKEN-CLAIMS",
        title: "The one-shot service is told what it needs",
        level: Level::Should,
        authority: "Community descriptions of internet activation",
        looks_at: "The claims of each request for ProductActivation.",
        holds: "BindingType, Binding, ProductKey, ProductKeyType and ProductKeyActConfigId are there.",
        about: About::Client,
        tags: &["token", "claims"],
        subject: Subject::Mak(token_claims),
    },
    Rule {
        id: "TOKEN-CLAIM-ONCE",
        title: "No claim is made twice",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation",
        looks_at: "The names of the claims of each request for ProductActivation.",
        holds: "Each is there once.",
        about: About::Client,
        tags: &["token", "claims"],
        subject: Subject::Mak(token_claim_once),
    },
    Rule {
        id: "TOKEN-BINDING",
        title: "The binding is of the hardware",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation",
        looks_at: "BindingType of each request for ProductActivation that has one.",
        holds: "It is msft:rm/algorithm/hwid/4.0.",
        about: About::Client,
        tags: &["token", "claims"],
        subject: Subject::Mak(token_binding),
    },
    Rule {
        id: "TOKEN-EXTENSION",
        title: "The one-shot service is asked with a known configextension",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation: Retail, DM, o14 and o16",
        looks_at: "The query of the path of each request for ProductActivation over HTTP.",
        holds: "configextension is one of them.",
        about: About::Client,
        tags: &["token", "http"],
        subject: Subject::Mak(token_extension),
    },
    Rule {
        id: "TOKEN-USER-AGENT",
        title: "A token service is asked by SLSSoapClient",
        level: Level::Observed,
        authority: "Observed: community descriptions of internet activation",
        looks_at: "User-Agent of each request to a token service over HTTP.",
        holds: "It is SLSSoapClient.",
        about: About::Client,
        tags: &["token", "http"],
        subject: Subject::Mak(token_user_agent),
    },
    Rule {
        id: "TOKEN-ANSWER",
        title: "An answer of a token service has a token",
        level: Level::Should,
        authority: "Community descriptions of internet activation",
        looks_at: "The Values of each RequestSecurityTokenResponse.",
        holds: "An entry of them has a value.",
        about: About::Server,
        tags: &["token"],
        subject: Subject::Mak(token_answer),
    },
    Rule {
        id: "TOKEN-ANSWER-TYPE",
        title: "A token is of the type that was asked for",
        level: Level::Should,
        authority: "Community descriptions of internet activation",
        looks_at: "TokenType of each answer of a token service that has one, and that of its request.",
        holds: "They are equal.",
        about: About::Server,
        tags: &["token", "echo"],
        subject: Subject::Mak(token_answer_type),
    },
];

/// The service whose document a request has.
fn service(exchange: &MakExchange) -> Option<Service> {
    match exchange.asks()? {
        Content::BatchRequest(_) | Content::RequestDocument(_) => Some(Service::BatchActivation),
        Content::TokenRequest(request) => request.service().map(Service::Token),
        _ => None,
    }
}

/// The head of a request over HTTP that has a service's document.
fn head(exchange: &MakExchange) -> Option<&RequestHead> {
    let is_service = matches!(
        exchange.asks()?,
        Content::BatchRequest(_) | Content::RequestDocument(_) | Content::TokenRequest(_)
    );
    exchange.request.as_ref()?.head.as_ref().filter(|_| is_service)
}

fn message(body: &Body) -> Option<&Message> {
    body.message.as_ref()
}

fn request_message(exchange: &MakExchange) -> Option<&Message> {
    message(&exchange.request.as_ref()?.body)
}

fn answer_message(exchange: &MakExchange) -> Option<&Message> {
    message(&exchange.answer.as_ref()?.body)
}

fn batch_request(exchange: &MakExchange) -> Option<&BatchRequest> {
    match &request_message(exchange)?.content {
        Content::BatchRequest(request) => Some(request),
        _ => None,
    }
}

fn batch_response(exchange: &MakExchange) -> Option<&BatchResponse> {
    match &answer_message(exchange)?.content {
        Content::BatchResponse(response) => Some(response),
        _ => None,
    }
}

/// What a batch asks, where all of it could be read.
fn asked(exchange: &MakExchange) -> Option<&RequestDocument> {
    let is_read = batch_request(exchange).is_none_or(|request| request.is_whole && request.error.is_none());
    let is_whole = exchange.request.as_ref()?.body.is_whole();
    exchange.request_document().filter(|_| is_read && is_whole)
}

/// What a batch is answered with, where all of it could be read.
fn answered(exchange: &MakExchange) -> Option<&ResponseDocument> {
    let is_read = batch_response(exchange).is_none_or(|response| response.error.is_none());
    let is_whole = exchange.answer.as_ref()?.body.is_whole();
    exchange.response_document().filter(|_| is_read && is_whole)
}

/// The answers of a batch response of a type.
fn answers(exchange: &MakExchange, of: RequestType) -> impl Iterator<Item = &ResponseItem> {
    let document = answered(exchange).filter(|document| document.response_type == Some(of));
    document.into_iter().flat_map(|document| &document.items)
}

fn token_request(exchange: &MakExchange) -> Option<&TokenRequest> {
    match &request_message(exchange)?.content {
        Content::TokenRequest(request) => Some(request),
        _ => None,
    }
}

/// A request to the service that does all at once.
fn one_shot(exchange: &MakExchange) -> Option<&TokenRequest> {
    let request = token_request(exchange)?;
    (request.service() == Some(TokenService::ProductActivation)).then_some(request)
}

fn token_response(exchange: &MakExchange) -> Option<&TokenResponse> {
    match &answer_message(exchange)?.content {
        Content::TokenResponse(response) => Some(response),
        _ => None,
    }
}

/// A fault that was read to its end.
fn fault(exchange: &MakExchange) -> Option<&Fault> {
    let is_whole = exchange.answer.as_ref()?.body.is_whole();
    match &answer_message(exchange)?.content {
        Content::Fault(fault) if is_whole => Some(fault),
        _ => None,
    }
}

/// A text of a message: what is around it is white space.
fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default().trim()
}

fn method(exchange: &MakExchange) -> Judgement {
    of(head(exchange), |head| head.method == "POST", |head| format!("{}, not POST", head.method))
}

fn tls(exchange: &MakExchange) -> Judgement {
    let Some(head) = head(exchange) else { return NotApplicable };
    let is_tls = match exchange.carrier {
        Carrier::Stream { is_tls, .. } => is_tls,
        Carrier::Har { .. } => match head.target.split_once("://") {
            Some((scheme, _)) => scheme.eq_ignore_ascii_case("https"),
            None => return NotApplicable,
        },
        Carrier::Body => return NotApplicable,
    };
    Judgement::of(is_tls, || "in the clear, not in TLS".to_owned())
}

fn host(exchange: &MakExchange) -> Judgement {
    let host = head(exchange).and_then(RequestHead::host_name);
    of(host, |host| is_service_host(host), |host| format!("{host}, not below sls.microsoft.com"))
}

fn path(exchange: &MakExchange) -> Judgement {
    let Some((head, service)) = head(exchange).zip(service(exchange)) else { return NotApplicable };
    Judgement::of(Service::of_target(&head.target) == Some(service), || {
        let expected = match service {
            Service::BatchActivation => crate::mak::BATCH_PATH,
            Service::Token(service) => service.path(),
        };
        format!("{}, not {expected}", head.target)
    })
}

/// Holds a Content-Type against an envelope of SOAP 1.1. SOAP 1.2 leaves it to who sends.
fn content_type(body: &Body, is_recorded: bool) -> Judgement {
    if message(body).is_none_or(|message| message.soap != Some(SoapVersion::V1_1)) {
        return NotApplicable;
    }
    match &body.content_type {
        Some(value) => {
            let media_type = value.split(';').next().unwrap_or_default().trim();
            Judgement::of(media_type.eq_ignore_ascii_case("text/xml"), || {
                format!("{media_type:?}, not text/xml")
            })
        }
        // What a recording leaves out may have been there.
        None if is_recorded => NotApplicable,
        None => Judgement::broken("there is none, not text/xml"),
    }
}

/// Holds a charset against what the body is written in.
fn charset(body: &Body) -> Judgement {
    let Some((value, message)) = body.content_type.as_ref().zip(message(body)) else { return NotApplicable };
    let mut parameters = value.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let Some((_, charset)) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset")) else {
        return NotApplicable;
    };
    let charset = charset.trim().trim_matches('"');
    let is = |names: &[&str]| names.iter().any(|name| charset.eq_ignore_ascii_case(name));
    let expected = match message.encoding.charset {
        Charset::Utf8 => is(&["utf-8"]),
        Charset::Utf16Le => is(&["utf-16", "utf-16le"]),
        Charset::Utf16Be => is(&["utf-16", "utf-16be"]),
    };
    if !is(&["utf-8", "utf-16", "utf-16le", "utf-16be"]) {
        return NotApplicable;
    }
    Judgement::of(expected, || format!("{charset}, and the body is {}", charset_name(message.encoding)))
}

fn charset_name(encoding: Encoding) -> &'static str {
    match encoding.charset {
        Charset::Utf8 => "UTF-8",
        Charset::Utf16Le => "UTF-16LE",
        Charset::Utf16Be => "UTF-16BE",
    }
}

fn is_recorded(exchange: &MakExchange) -> bool {
    matches!(exchange.carrier, Carrier::Har { .. })
}

fn request_content_type(exchange: &MakExchange) -> Judgement {
    match (&exchange.request, head(exchange)) {
        (Some(request), Some(_)) => content_type(&request.body, is_recorded(exchange)),
        _ => NotApplicable,
    }
}

fn request_charset(exchange: &MakExchange) -> Judgement {
    exchange.request.as_ref().map_or(NotApplicable, |request| charset(&request.body))
}

fn action_there(exchange: &MakExchange) -> Judgement {
    let is_soap_1_1 =
        request_message(exchange).is_some_and(|message| message.soap == Some(SoapVersion::V1_1));
    let head = head(exchange).filter(|_| is_soap_1_1);
    of(head, |head| head.soap_action.is_some(), |_| "there is no SOAPAction".to_owned())
}

fn action_service(exchange: &MakExchange) -> Judgement {
    let action = head(exchange).and_then(|head| head.soap_action.as_deref());
    let Some((action, service)) = action.zip(service(exchange)) else { return NotApplicable };
    let expected = match service {
        Service::BatchActivation => crate::mak::BATCH_SOAP_ACTION,
        Service::Token(service) => service.soap_action(),
    };
    Judgement::of(action == expected, || format!("{action:?}, not {expected}"))
}

fn request_envelope(exchange: &MakExchange) -> Judgement {
    let message = head(exchange).and_then(|_| request_message(exchange));
    of(
        message,
        |message| matches!(message.soap, Some(SoapVersion::V1_1 | SoapVersion::V1_2)),
        |message| match &message.soap {
            Some(SoapVersion::Other(namespace)) => format!("an Envelope in the namespace {namespace:?}"),
            _ => format!("a {} without an Envelope around it", message.content.name()),
        },
    )
}

/// True for an error of who reads: more of something than is read, which no document forbids.
fn is_bound(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Length { .. } | ErrorKind::Malformed { what: "elements are nested too deep" }
    )
}

/// Judges whether a body that came to its end could be read to its end.
fn readable(body: &Body) -> Judgement {
    let Some(message) = message(body) else { return NotApplicable };
    if !body.is_complete || matches!(message.content, Content::Other { .. }) {
        return NotApplicable;
    }
    match body.error.as_ref().or(message.error.as_ref()) {
        Some(error) if is_bound(error) => NotApplicable,
        Some(error) => Judgement::at(false, ("body", error.offset), || error.to_string()),
        None => Judgement::Holds,
    }
}

fn request_readable(exchange: &MakExchange) -> Judgement {
    exchange.request.as_ref().map_or(NotApplicable, |request| readable(&request.body))
}

/// Holds a namespace against the one that it should be.
fn namespace(found: Option<&str>, expected: &str) -> Judgement {
    of(found, |found| *found == expected, |found| format!("{found:?}, not {expected}"))
}

fn batch_namespace(exchange: &MakExchange) -> Judgement {
    namespace(batch_request(exchange).map(|request| &*request.namespace), BATCH_SERVICE)
}

fn digest(exchange: &MakExchange) -> Judgement {
    let Some(digest) = exchange.digest.filter(|_| is_request_whole(exchange)) else { return NotApplicable };
    match digest {
        DigestCheck::Pass => Judgement::Holds,
        DigestCheck::Unreadable => NotApplicable,
        DigestCheck::Missing => Judgement::broken("there is no Digest"),
        DigestCheck::NotADigest => Judgement::broken("it is not base64 of 32 bytes"),
        DigestCheck::Fail => Judgement::broken("it is that of other bytes, or made with another key"),
    }
}

fn is_request_whole(exchange: &MakExchange) -> bool {
    exchange.request.as_ref().is_some_and(|request| request.body.is_whole())
}

/// A batch request in a body of which nothing is missing.
fn whole_batch_request(exchange: &MakExchange) -> Option<&BatchRequest> {
    batch_request(exchange).filter(|_| is_request_whole(exchange))
}

fn request_xml_base64(exchange: &MakExchange) -> Judgement {
    let request = whole_batch_request(exchange);
    of(
        request,
        |request| request.is_whole,
        |request| match &request.error {
            Some(error) => error.to_string(),
            None => "RequestXml is not there, or empty".to_owned(),
        },
    )
}

fn request_xml_encoding(exchange: &MakExchange) -> Judgement {
    let request = whole_batch_request(exchange).filter(|request| request.is_whole);
    of(
        request,
        |request| request.encoding == Encoding::REQUEST_XML,
        |request| {
            let mark = if request.encoding.has_bom { " with a byte order mark" } else { "" };
            format!("{}{mark}, not UTF-16LE without one", charset_name(request.encoding))
        },
    )
}

fn request_xml_document(exchange: &MakExchange) -> Judgement {
    let request = whole_batch_request(exchange).filter(|request| request.is_whole);
    of(
        request.map(|request| &request.error).filter(|error| !error.as_ref().is_some_and(is_bound)),
        |error| error.is_none(),
        |error| error.as_ref().map(ToString::to_string).unwrap_or_default(),
    )
}

fn request_namespace(exchange: &MakExchange) -> Judgement {
    namespace(asked(exchange).map(|document| &*document.namespace), REQUEST_DOCUMENT)
}

fn request_version(exchange: &MakExchange) -> Judgement {
    let version = asked(exchange).map(|document| text(&document.version_number));
    of(version, |version| *version == "2.0", |version| format!("{version:?}, not 2.0"))
}

fn request_type(exchange: &MakExchange) -> Judgement {
    let known = [RequestType::CONFIRMATION_ID, RequestType::REMAINING_COUNT];
    let found = asked(exchange).map(|document| document.request_type);
    of(
        found,
        |found| found.is_some_and(|found| known.contains(&found)),
        |found| match found {
            Some(RequestType(number)) => format!("{number}, not 1 or 2"),
            None => "there is none that is a number".to_owned(),
        },
    )
}

fn request_items(exchange: &MakExchange) -> Judgement {
    of(asked(exchange), |document| !document.items.is_empty(), |_| "there is no Request".to_owned())
}

fn request_iid(exchange: &MakExchange) -> Judgement {
    let document =
        asked(exchange).filter(|document| document.request_type == Some(RequestType::CONFIRMATION_ID));
    let items = document.into_iter().flat_map(|document| &document.items);
    each_numbered("item", items, |item| text(&item.iid).is_empty().then(|| "it has no IID".to_owned()))
}

fn request_no_iid(exchange: &MakExchange) -> Judgement {
    let document =
        asked(exchange).filter(|document| document.request_type == Some(RequestType::REMAINING_COUNT));
    let items = document.into_iter().flat_map(|document| &document.items);
    each_numbered("item", items, |item| {
        let iid = text(&item.iid);
        (!iid.is_empty()).then(|| format!("it has the IID {iid}"))
    })
}

fn request_pid(exchange: &MakExchange) -> Judgement {
    let items = asked(exchange).into_iter().flat_map(|document| &document.items);
    each_numbered("item", items, |item| match text(&item.pid) {
        "" => Some("it has no PID".to_owned()),
        pid => Epid::parse(pid).err().map(|error| format!("{pid:?}: {error}")),
    })
}

fn request_pid_channel(exchange: &MakExchange) -> Judgement {
    let items = asked(exchange).into_iter().flat_map(|document| &document.items);
    each_numbered("item", items.filter_map(|item| Epid::parse(text(&item.pid)).ok()), |pid| {
        (pid.channel != 3).then(|| format!("channel {:02}, not 03", pid.channel))
    })
}

fn status(exchange: &MakExchange) -> Judgement {
    let is_result = match exchange.answers() {
        Some(Content::BatchResponse(_) | Content::ResponseDocument(_) | Content::TokenResponse(_)) => true,
        Some(_) | None => false,
    };
    let status = exchange.answer.as_ref().and_then(|answer| answer.status).filter(|_| is_result);
    of(status, |status| (200..300).contains(status), |status| format!("{status}, not 200 to 299"))
}

fn fault_status(exchange: &MakExchange) -> Judgement {
    let is_fault = answer_message(exchange).is_some_and(|message| {
        message.soap == Some(SoapVersion::V1_1) && matches!(message.content, Content::Fault(_))
    });
    let status = exchange.answer.as_ref().and_then(|answer| answer.status).filter(|_| is_fault);
    of(status, |status| *status == 500, |status| format!("{status}, not 500"))
}

fn answer_content_type(exchange: &MakExchange) -> Judgement {
    match &exchange.answer {
        Some(answer) if answer.status.is_some() => content_type(&answer.body, is_recorded(exchange)),
        _ => NotApplicable,
    }
}

fn answer_charset(exchange: &MakExchange) -> Judgement {
    exchange.answer.as_ref().map_or(NotApplicable, |answer| charset(&answer.body))
}

fn answer_soap(exchange: &MakExchange) -> Judgement {
    let version = |message: Option<&'_ Message>| match message?.soap {
        Some(SoapVersion::V1_1) => Some("1.1"),
        Some(SoapVersion::V1_2) => Some("1.2"),
        Some(SoapVersion::Other(_)) | None => None,
    };
    let versions = version(request_message(exchange)).zip(version(answer_message(exchange)));
    of(
        versions,
        |(asked, answered)| asked == answered,
        |(asked, answered)| format!("SOAP {answered}, and the request has SOAP {asked}"),
    )
}

fn answer_readable(exchange: &MakExchange) -> Judgement {
    exchange.answer.as_ref().map_or(NotApplicable, |answer| readable(&answer.body))
}

fn answer_namespace(exchange: &MakExchange) -> Judgement {
    namespace(batch_response(exchange).map(|response| &*response.namespace), BATCH_SERVICE)
}

fn response_form(exchange: &MakExchange) -> Judgement {
    let form = batch_response(exchange).map(|response| response.form);
    of(
        form,
        |form| *form == ResponseForm::Text,
        |form| match form {
            ResponseForm::Base64 => "base64, not escaped text".to_owned(),
            ResponseForm::Elements | ResponseForm::Text => "elements, not escaped text".to_owned(),
        },
    )
}

fn response_document(exchange: &MakExchange) -> Judgement {
    let is_whole = exchange.answer.as_ref().is_some_and(|answer| answer.body.is_whole());
    let error = batch_response(exchange).filter(|_| is_whole).map(|response| &response.error);
    let error = error.filter(|error| !error.as_ref().is_some_and(is_bound));
    of(error, |error| error.is_none(), |error| error.as_ref().map(ToString::to_string).unwrap_or_default())
}

fn response_namespace(exchange: &MakExchange) -> Judgement {
    namespace(answered(exchange).map(|document| &*document.namespace), RESPONSE_DOCUMENT)
}

fn response_version(exchange: &MakExchange) -> Judgement {
    let version = answered(exchange).map(|document| text(&document.version_number));
    of(version, |version| *version == "1.0", |version| format!("{version:?}, not 1.0"))
}

fn response_type(exchange: &MakExchange) -> Judgement {
    let types = answered(exchange)
        .zip(asked(exchange))
        .and_then(|(answered, asked)| Some((answered.response_type, asked.request_type?)));
    of(
        types,
        |(answered, asked)| *answered == Some(*asked),
        |(answered, asked)| match answered {
            Some(RequestType(answered)) => format!("{answered}, and the request is of type {}", asked.0),
            None => format!("there is none, and the request is of type {}", asked.0),
        },
    )
}

fn batch_id(exchange: &MakExchange) -> Judgement {
    let is_guid = |document: &&ResponseDocument| {
        let id = text(&document.batch_id);
        id.starts_with('{') && id.ends_with('}') && document.batch_guid().is_some()
    };
    // Who refuses the whole batch need not have given it an id.
    let named =
        answered(exchange).filter(|document| document.error_info.is_none() || document.batch_id.is_some());
    of(named, is_guid, |document| format!("{:?} is no GUID in braces", text(&document.batch_id)))
}

fn response_content(exchange: &MakExchange) -> Judgement {
    let is_said = |document: &&ResponseDocument| !document.items.is_empty() || document.error_info.is_some();
    of(answered(exchange), is_said, |_| "there is neither an answer nor an error".to_owned())
}

/// What became of a verification of the answers against the request.
fn echo(exchange: &MakExchange, name: &str) -> Option<bool> {
    asked(exchange).zip(answered(exchange))?;
    match exchange.checks.iter().find(|(other, _)| *other == name)?.1 {
        Check::Pass => Some(true),
        Check::Fail => Some(false),
        _ => None,
    }
}

/// The texts of the first answer that differ from the request's item in its place.
fn difference(
    exchange: &MakExchange,
    of: fn(&ResponseItem, &crate::mak::RequestItem) -> [String; 2],
) -> String {
    let Some((asked, answered)) = asked(exchange).zip(answered(exchange)) else { return String::new() };
    for (place, answer) in answered.items.iter().enumerate() {
        let Some(item) = asked.items.get(place) else {
            return format!("answer {}: nothing was asked there", place + 1);
        };
        let [found, expected] = of(answer, item);
        if found != expected {
            return format!("answer {}: {found:?}, asked about {expected:?}", place + 1);
        }
    }
    "an answer is to something else than was asked".to_owned()
}

fn echo_count(exchange: &MakExchange) -> Judgement {
    // Where there is no answer at all, another rule says so.
    let has_answers = answered(exchange).is_some_and(|document| !document.items.is_empty());
    of(
        echo(exchange, "count").filter(|_| has_answers),
        |holds| *holds,
        |_| {
            let count = |count: Option<usize>| count.unwrap_or_default();
            let answers = count(answered(exchange).map(|document| document.items.len()));
            format!(
                "{answers} answers to {} items",
                count(asked(exchange).map(|document| document.items.len()))
            )
        },
    )
}

fn echo_order(exchange: &MakExchange) -> Judgement {
    of(
        echo(exchange, "order"),
        |holds| *holds,
        |_| {
            difference(exchange, |answer, item| {
                [
                    format!("{} {}", text(&answer.pid), text(&answer.iid)),
                    format!("{} {}", text(&item.pid), text(&item.iid)),
                ]
            })
        },
    )
}

fn echo_pid(exchange: &MakExchange) -> Judgement {
    of(
        echo(exchange, "pid_echo"),
        |holds| *holds,
        |_| difference(exchange, |answer, item| [&answer.pid, &item.pid].map(|pid| text(pid).to_owned())),
    )
}

fn echo_iid(exchange: &MakExchange) -> Judgement {
    of(
        echo(exchange, "iid_echo"),
        |holds| *holds,
        |_| difference(exchange, |answer, item| [&answer.iid, &item.iid].map(|iid| text(iid).to_owned())),
    )
}

fn response_cid(exchange: &MakExchange) -> Judgement {
    let items = answers(exchange, RequestType::CONFIRMATION_ID).filter(|item| item.error_info.is_none());
    each_numbered("item", items, |item| {
        text(&item.cid).is_empty().then(|| "it has neither a CID nor an error".to_owned())
    })
}

fn response_no_cid(exchange: &MakExchange) -> Judgement {
    each_numbered("item", answers(exchange, RequestType::REMAINING_COUNT), |item| {
        let cid = text(&item.cid);
        (!cid.is_empty()).then(|| format!("it has the CID {cid}"))
    })
}

fn cid_or_error(exchange: &MakExchange) -> Judgement {
    // What an answer of type 2 has is another rule's.
    let items = answers(exchange, RequestType::CONFIRMATION_ID).filter(|item| item.error_info.is_some());
    each_numbered("item", items, |item| {
        let cid = text(&item.cid);
        (!cid.is_empty()).then(|| format!("it is an error, and has the CID {cid}"))
    })
}

fn remaining_unknown(exchange: &MakExchange) -> Judgement {
    let items = answers(exchange, RequestType::CONFIRMATION_ID).filter(|item| item.error_info.is_none());
    each_numbered("item", items, |item| match item.activation_remaining {
        Some(-1) => None,
        Some(other) => Some(format!("ActivationRemaining is {other}, not -1")),
        None => Some("there is no ActivationRemaining".to_owned()),
    })
}

fn remaining_count(exchange: &MakExchange) -> Judgement {
    let items = answers(exchange, RequestType::REMAINING_COUNT).filter(|item| item.error_info.is_none());
    each_numbered("item", items, |item| match item.activation_remaining {
        Some(0..) => None,
        Some(other) => Some(format!("ActivationRemaining is {other}, not 0 or more")),
        None => Some("there is no ActivationRemaining".to_owned()),
    })
}

/// The errors of a batch response: of the whole batch, and of its items.
fn errors(exchange: &MakExchange) -> impl Iterator<Item = &ErrorInfo> {
    answered(exchange).into_iter().flat_map(|document| {
        let of_items = document.items.iter().filter_map(|item| item.error_info.as_ref());
        document.error_info.iter().chain(of_items)
    })
}

fn error_code(exchange: &MakExchange) -> Judgement {
    each_numbered("item", errors(exchange), |error| {
        if error.code.is_some() {
            return None;
        }
        Some(match error.other.iter().find(|field| field.name == "ErrorCode") {
            Some(field) => format!("{:?} is not 0x and one to eight hex digits", field.value),
            None => "it has no ErrorCode".to_owned(),
        })
    })
}

fn error_known(exchange: &MakExchange) -> Judgement {
    let codes = errors(exchange).filter_map(|error| error.code);
    each_numbered("item", codes, |code| code.meaning().is_none().then(|| format!("{code} is not known")))
}

fn fault_code(exchange: &MakExchange) -> Judgement {
    of(fault(exchange), |fault| !text(&fault.code).is_empty(), |_| "it has no code".to_owned())
}

fn fault_reason(exchange: &MakExchange) -> Judgement {
    of(fault(exchange), |fault| fault.reason.is_some(), |_| "it has no reason".to_owned())
}

/// A fault with which a token service answers.
fn token_fault(exchange: &MakExchange) -> Option<&Fault> {
    fault(exchange).filter(|_| matches!(exchange.service, Some(Service::Token(_))))
}

fn fault_hresult(exchange: &MakExchange) -> Judgement {
    of(token_fault(exchange), |fault| fault.hresult.is_some(), |_| "it has no HRESULT".to_owned())
}

fn fault_family(exchange: &MakExchange) -> Judgement {
    let hresult = token_fault(exchange).and_then(|fault| fault.hresult);
    let is_of_activation = |hresult: &u32| matches!(hresult >> 12, 0xc004b | 0xc004c);
    of(hresult, is_of_activation, |hresult| format!("{hresult:#010x} is of another family"))
}

fn token_namespace(exchange: &MakExchange) -> Judgement {
    namespace(token_request(exchange).map(|request| &*request.namespace), TRUST)
}

/// A request to a token service in a body of which nothing is missing.
fn whole_token_request(exchange: &MakExchange) -> Option<&TokenRequest> {
    token_request(exchange).filter(|_| is_request_whole(exchange))
}

fn token_type(exchange: &MakExchange) -> Judgement {
    of(
        whole_token_request(exchange),
        |request| request.service().is_some(),
        |request| format!("{:?} is not known", text(&request.token_type)),
    )
}

fn token_request_type(exchange: &MakExchange) -> Judgement {
    let is_issue = |found: &&str| found.strip_prefix(TRUST) == Some("/Issue");
    let found = whole_token_request(exchange).map(|request| text(&request.request_type));
    of(found, is_issue, |found| format!("{found:?}, not {TRUST}/Issue"))
}

/// Holds the counts of lists of entries against what is in them.
fn counts<'a>(lists: impl Iterator<Item = &'a TokenValues>) -> Judgement {
    let counted = lists.filter(|values| values.count_check() != Check::NotApplicable);
    each_numbered("item", counted, |values| {
        (values.count_check() == Check::Fail).then(|| {
            format!("{:?}, and there are {} entries", text(&values.array_type), values.entries.len())
        })
    })
}

fn token_array(exchange: &MakExchange) -> Judgement {
    let lists = whole_token_request(exchange).map(|request| [&request.use_key, &request.claims]);
    counts(lists.into_iter().flatten().flatten())
}

fn token_array_answer(exchange: &MakExchange) -> Judgement {
    let is_whole = exchange.answer.as_ref().is_some_and(|answer| answer.body.is_whole());
    let response = token_response(exchange).filter(|_| is_whole);
    counts(response.and_then(|response| response.token.as_ref()).into_iter())
}

fn token_claims(exchange: &MakExchange) -> Judgement {
    let request = one_shot(exchange).filter(|_| is_request_whole(exchange));
    let missing = request.map(|request| {
        CLAIMS.iter().find(|claim| request.claims(claim).all(|value| value.trim().is_empty()))
    });
    of(
        missing,
        |missing| missing.is_none(),
        |missing| format!("{} is missing", missing.copied().unwrap_or_default()),
    )
}

/// What the one-shot service needs to be told of a key and a machine.
const CLAIMS: [&str; 5] = ["BindingType", "Binding", "ProductKey", "ProductKeyType", "ProductKeyActConfigId"];

fn token_claim_once(exchange: &MakExchange) -> Judgement {
    let Some(claims) = one_shot(exchange).and_then(|request| request.claims.as_ref()) else {
        return NotApplicable;
    };
    let mut seen = HashSet::new();
    let mut names = claims.entries.iter().filter_map(|entry| entry.name.as_deref());
    let again = names.find(|name| !seen.insert(*name));
    of(
        Some(again),
        |again| again.is_none(),
        |again| format!("{} is there more than once", again.unwrap_or_default()),
    )
}

fn token_binding(exchange: &MakExchange) -> Judgement {
    let binding = one_shot(exchange).and_then(|request| request.claims("BindingType").next());
    of(binding, |binding| binding.trim() == HARDWARE, |binding| format!("{binding:?}, not {HARDWARE}"))
}

/// The only binding that is known.
const HARDWARE: &str = "msft:rm/algorithm/hwid/4.0";

fn token_extension(exchange: &MakExchange) -> Judgement {
    let Some(head) = one_shot(exchange).and_then(|_| head(exchange)) else { return NotApplicable };
    match ConfigExtension::of_path(&head.target) {
        Some(ConfigExtension::Other(other)) => Judgement::broken(format!("{other:?} is not known")),
        Some(_) => Judgement::Holds,
        None => Judgement::broken(format!("there is none in {}", head.target)),
    }
}

fn token_user_agent(exchange: &MakExchange) -> Judgement {
    let head = token_request(exchange).and_then(|_| head(exchange));
    of(
        head,
        |head| text(&head.user_agent) == "SLSSoapClient",
        |head| format!("{:?}, not SLSSoapClient", text(&head.user_agent)),
    )
}

fn token_answer(exchange: &MakExchange) -> Judgement {
    let is_whole = exchange.answer.as_ref().is_some_and(|answer| answer.body.is_whole());
    let response = token_response(exchange).filter(|_| is_whole);
    let has_token = |response: &&TokenResponse| {
        let entries = response.token.as_ref().map(|token| &token.entries);
        entries.into_iter().flatten().any(|entry| !text(&entry.value).is_empty())
    };
    of(response, has_token, |_| "no entry has a value".to_owned())
}

fn token_answer_type(exchange: &MakExchange) -> Judgement {
    let types = token_response(exchange).zip(token_request(exchange)).and_then(|(answered, asked)| {
        Some((answered.token_type.as_deref()?.trim(), asked.token_type.as_deref()?.trim()))
    });
    of(
        types,
        |(answered, asked)| answered == asked,
        |(answered, asked)| format!("{answered:?}, asked for {asked:?}"),
    )
}
