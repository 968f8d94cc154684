//! Examples of the rules in src/conformance/rules/mak_services.rs.

use crate::Example;
use crate::files::Post;

const PID: &str = "00000-04249-038-820384-03-2052-9200.0000-0902023";
const IID: &str = "330512311875727788090139496334835149954645445802270599047875924";
const OTHER_IID: &str = "209200177437440198194193547128466754585074098382223107026650642";
const CID: &str = "429292031401597794898455690612212251894655189294";

pub(crate) fn examples() -> Vec<Example> {
    let mut examples = http();
    examples.extend(requests());
    examples.extend(answers());
    examples.extend(responses());
    examples.extend(faults());
    examples.extend(tokens());
    examples
}

/// The base as it is, and changed.
fn pair(rule: &'static str, base: fn() -> Post, change: impl FnOnce(Post) -> Post) -> Example {
    Example { rule, passes: base().file(), fails: change(base()).file() }
}

/// An element of a document that is escaped in the answer.
fn escaped(name: &str, text: &str) -> String {
    format!("&lt;{name}&gt;{text}&lt;/{name}&gt;")
}

fn http() -> Vec<Example> {
    let base = Post::confirmation;
    let content_type = |value| move |post: Post| post.header("Content-Type", Some(value));
    let action = |value| move |post: Post| post.header("SOAPAction", value);
    vec![
        pair("MAK-HTTP-METHOD", base, |post| post.method("PUT")),
        pair("MAK-HTTP-TLS", base, |post| post.url("https://", "http://")),
        pair("MAK-HTTP-HOST", base, |post| post.url("activation.sls.microsoft.com", "activation.example")),
        pair("MAK-HTTP-PATH", base, |post| post.url("/BatchActivation.asmx", "/Batch.asmx")),
        pair("MAK-CONTENT-TYPE", base, content_type("application/soap+xml; charset=utf-8")),
        pair("MAK-CHARSET", base, content_type("text/xml; charset=utf-16")),
        pair("MAK-SOAP-ACTION", base, action(None)),
        pair("MAK-SOAP-ACTION-SERVICE", base, action(Some("\"urn:other\""))),
    ]
}

fn requests() -> Vec<Example> {
    let base = Post::confirmation;
    let namespace = "http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0";
    vec![
        pair("MAK-SOAP-ENVELOPE", base, |post| {
            post.request("http://schemas.xmlsoap.org/soap/envelope/", "urn:other")
        }),
        pair("MAK-REQUEST-XML", base, |post| post.request("</soap:Envelope>", "")),
        pair("MAK-BATCH-NAMESPACE", base, |post| {
            post.request("xmlns=\"http://www.microsoft.com/BatchActivationService\"", "xmlns=\"urn:other\"")
        }),
        pair("MAK-BATCH-DIGEST", base, |post| post.digest("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")),
        pair("MAK-REQUESTXML-BASE64", base, |post| post.request_xml("*")),
        pair("MAK-REQUESTXML-ENCODING", base, |post| post.raw(|raw| [&[0xff, 0xfe], raw].concat())),
        pair("MAK-REQUESTXML-DOCUMENT", base, |post| post.document("</ActivationRequest>", "")),
        pair("MAK-REQUEST-NAMESPACE", base, |post| post.document(namespace, "urn:other")),
        pair("MAK-REQUEST-VERSION", base, |post| post.document("2.0<", "1.0<")),
        pair("MAK-REQUEST-TYPE", base, |post| {
            post.document("Type>1<", "Type>3<").answer("Type&gt;1&lt;", "Type&gt;3&lt;")
        }),
        pair("MAK-REQUEST-ITEMS", Post::refused, |post| {
            post.document(&format!("<Request><PID>{PID}</PID><IID>{IID}</IID></Request>"), "")
        }),
        pair("MAK-REQUEST-IID", Post::refused, |post| post.document(&format!("<IID>{IID}</IID>"), "")),
        pair("MAK-REQUEST-NO-IID", Post::remaining, |post| {
            let count = escaped("ActivationRemaining", "42");
            let answer = format!("{count}{}", escaped("IID", IID));
            post.document("</PID>", &format!("</PID><IID>{IID}</IID>")).answer(&count, &answer)
        }),
        pair("MAK-REQUEST-PID", base, |post| post.both(PID, "04249-038-820384")),
        pair("MAK-REQUEST-PID-CHANNEL", base, |post| post.both("-03-2052-", "-02-2052-")),
    ]
}

fn answers() -> Vec<Example> {
    let base = Post::confirmation;
    let content_type = |value| move |post: Post| post.answer_header("Content-Type", Some(value));
    vec![
        pair("MAK-STATUS", base, |post| post.status(404)),
        pair("MAK-ANSWER-CONTENT-TYPE", base, content_type("text/html; charset=utf-8")),
        pair("MAK-ANSWER-CHARSET", base, content_type("text/xml; charset=utf-16")),
        pair("MAK-ANSWER-SOAP", base, |post| {
            post.answer(
                "http://schemas.xmlsoap.org/soap/envelope/",
                "http://www.w3.org/2003/05/soap-envelope",
            )
            .answer_header("Content-Type", Some("application/soap+xml; charset=utf-8"))
        }),
        pair("MAK-ANSWER-XML", base, |post| post.answer("</soap:Envelope>", "")),
        pair("MAK-ANSWER-NAMESPACE", base, |post| {
            post.answer("xmlns=\"http://www.microsoft.com/BatchActivationService\"", "xmlns=\"urn:other\"")
        }),
        pair("MAK-RESPONSEXML-FORM", base, |post| {
            post.answer("&lt;?xml version=\"1.0\" encoding=\"utf-16\"?&gt;", "")
                .answer("&lt;", "<")
                .answer("&gt;", ">")
        }),
        pair("MAK-RESPONSEXML-DOCUMENT", base, |post| post.answer("&lt;/ActivationResponse&gt;", "")),
    ]
}

fn responses() -> Vec<Example> {
    let base = Post::confirmation;
    let namespace = "http://www.microsoft.com/DRM/SL/BatchActivationResponse/1.0";
    let code = |code: &'static str| move |post: Post| post.answer("0x7F", code);
    vec![
        pair("MAK-RESPONSE-NAMESPACE", base, |post| post.answer(namespace, "urn:other")),
        pair("MAK-RESPONSE-VERSION", base, |post| post.answer("1.0&lt;", "2.0&lt;")),
        pair("MAK-RESPONSE-TYPE", Post::refused, |post| post.answer("Type&gt;1&lt;", "Type&gt;2&lt;")),
        pair("MAK-RESPONSE-BATCH-ID", base, |post| post.answer("{976cbe56-21e5-", "{976cbe56-")),
        pair("MAK-RESPONSE-CONTENT", Post::refused, |post| {
            post.answer(&escaped("ErrorInfo", &escaped("ErrorCode", "0x80131600")), "")
        }),
        pair("MAK-ECHO-COUNT", Post::two, |post| post.answer(&second(), "")),
        pair("MAK-ECHO-ORDER", Post::two, |post| {
            let first = first();
            post.answer(&second(), "").answer(&first, &format!("{}{first}", second()))
        }),
        pair("MAK-ECHO-PID", base, |post| post.answer("-0902023", "-0912023")),
        pair("MAK-ECHO-IID", base, |post| post.answer(IID, OTHER_IID)),
        pair("MAK-RESPONSE-CID", base, |post| post.answer(&escaped("CID", CID), "")),
        pair("MAK-RESPONSE-NO-CID", Post::remaining, |post| {
            let count = escaped("ActivationRemaining", "42");
            post.answer(&count, &format!("{count}{}", escaped("CID", CID)))
        }),
        pair("MAK-RESPONSE-CID-OR-ERROR", Post::two, |post| {
            post.answer("&lt;ErrorInfo&gt;", &format!("{}&lt;ErrorInfo&gt;", escaped("CID", CID)))
        }),
        pair("MAK-REMAINING-UNKNOWN", base, |post| post.answer("Remaining&gt;-1&lt;", "Remaining&gt;5&lt;")),
        pair("MAK-REMAINING-COUNT", Post::remaining, |post| {
            post.answer("Remaining&gt;42&lt;", "Remaining&gt;-2&lt;")
        }),
        pair("MAK-ERROR-CODE", Post::two, code("127")),
        pair("MAK-ERROR-KNOWN", Post::two, code("0x1A2B")),
    ]
}

/// The answers about the first and the second product, as they are recorded.
fn first() -> String {
    let remaining = escaped("ActivationRemaining", "-1");
    escaped(
        "Response",
        &format!("{}{remaining}{}{}", escaped("PID", PID), escaped("IID", IID), escaped("CID", CID)),
    )
}

fn second() -> String {
    let pid = escaped("PID", &PID.replacen("00000", "XXXXX", 1));
    let iid = escaped("IID", "070846984606199354110900862045444713121295109842549701");
    escaped("Response", &format!("{pid}{iid}{}", escaped("ErrorInfo", &escaped("ErrorCode", "0x7F"))))
}

fn faults() -> Vec<Example> {
    let base = Post::fault;
    vec![
        pair("MAK-FAULT-STATUS", base, |post| post.status(200)),
        pair("MAK-FAULT-CODE", base, |post| post.answer("<faultcode>soap:Server</faultcode>", "")),
        pair("MAK-FAULT-REASON", base, |post| post.answer("<faultstring>synthetic</faultstring>", "")),
        pair("MAK-FAULT-HRESULT", base, |post| post.answer("<HRESULT>0xC004C008</HRESULT>", "")),
        pair("MAK-FAULT-FAMILY", base, |post| post.answer("0xC004C008", "0x80004005")),
    ]
}

fn tokens() -> Vec<Example> {
    let (base, one_shot) = (Post::certificate, Post::one_shot);
    let trust = "http://schemas.xmlsoap.org/ws/2004/04/security/trust";
    let tokens =
        |post: Post| post.answer("&lt;?xml", "<!--&lt;?xml").answer("/r:license&gt;", "/r:license&gt;-->");
    vec![
        pair("TOKEN-NAMESPACE", base, |post| {
            let element = |namespace: &str| format!("<RequestSecurityToken xmlns=\"{namespace}\"");
            post.request(&element(trust), &element("urn:other"))
        }),
        pair("TOKEN-TYPE", base, |post| {
            post.request(">SPC<", ">ABC<").answer("TokenType>SPC<", "TokenType>ABC<")
        }),
        pair("TOKEN-REQUEST-TYPE", base, |post| post.request("/Issue<", "/Renew<")),
        pair("TOKEN-ARRAY", base, |post| post.request("TokenEntry[3]", "TokenEntry[4]")),
        pair("TOKEN-ARRAY-ANSWER", base, |post| post.answer("TokenEntry[1]", "TokenEntry[2]")),
        pair("TOKEN-CLAIMS", one_shot, |post| post.request(">ProductKeyType<", ">ProductKeyKind<")),
        pair("TOKEN-CLAIM-ONCE", one_shot, |post| {
            post.request(">ClientSystemTimeUtc<", ">ClientSystemTime<")
        }),
        pair("TOKEN-BINDING", one_shot, |post| post.request("hwid/4.0", "hwid/9.0")),
        pair("TOKEN-EXTENSION", one_shot, |post| post.url("=Retail", "=o99")),
        pair("TOKEN-USER-AGENT", base, |post| post.header("User-Agent", Some("curl/8"))),
        pair("TOKEN-ANSWER", base, tokens),
        pair("TOKEN-ANSWER-TYPE", base, |post| post.answer("TokenType>SPC<", "TokenType>RAC<")),
    ]
}
