//! The documents of MAK's services, whole: as a client and a server send them, in every layout, cut, damaged and hostile.

use std::borrow::Cow;

use volact::mak::vamt::{self, CandidateKind, Computer, Entry};
use volact::mak::{
    BatchRequest, BatchResponse, Charset, Check, Content, DigestCheck, EchoChecks, Encoding, ErrorCode,
    ErrorInfo, Fault, Field, Layout, Message, RequestDocument, RequestItem, RequestType, ResponseDocument,
    ResponseForm, ResponseItem, SoapVersion, TokenEntry, TokenRequest, TokenResponse, TokenService,
    TokenValues,
};
use volact::wire::{ErrorKind, Guid, utf16};

const PID: &str = "00000-04249-038-820384-03-2052-9200.0000-0902023";
const IID: &str = "330512311875727788090139496334835149954645445802270599047875924";
const CID: &str = "429292031401597794898455690612212251894655189294";
const BATCH_ID: &str = "{976cbe56-21e5-4e13-bdc3-4e72d7ab48fd}";

fn request_document(items: usize) -> RequestDocument {
    let item = |i: usize| RequestItem {
        pid: Some(PID.replace("820384", &format!("{i:06}"))),
        iid: Some(IID.to_owned()),
        other: Vec::new(),
    };
    RequestDocument::new(RequestType::CONFIRMATION_ID, (0..items).map(item).collect())
}

fn response_document(request: &RequestDocument) -> ResponseDocument {
    let item = |item: &RequestItem| ResponseItem {
        pid: item.pid.clone(),
        activation_remaining: Some(-1),
        iid: item.iid.clone(),
        cid: Some(CID.to_owned()),
        ..ResponseItem::default()
    };
    ResponseDocument {
        batch_id: Some(BATCH_ID.to_owned()),
        ..ResponseDocument::new(RequestType::CONFIRMATION_ID, request.items.iter().map(item).collect())
    }
}

fn request(items: usize) -> Message {
    Message::new(Content::BatchRequest(BatchRequest::of(request_document(items), &Layout::COMPACT)))
}

fn response(items: usize) -> Message {
    let document = response_document(&request_document(items));
    Message::new(Content::BatchResponse(BatchResponse::of(document)))
}

fn token_request(service: TokenService) -> Message {
    let entry = |(name, value): &(&str, &str)| TokenEntry::new(name, value);
    let use_key = [("PublicKey", "AQID"), ("PublicKey", "BAUG")];
    let key = "BBBBB-BBBBB-BBBBB-BBBBB-BBBBB";
    let claims = [
        ("BindingType", "msft:rm/algorithm/hwid/4.0"),
        ("Binding", "AAAA"),
        ("ProductKey", key),
        ("otherInfoPublic.licenseCategory", "msft:sl/EUL/ACTIVATED/PUBLIC"),
        ("ClientSystemTimeUtc", "2026-01-02T03:04:05Z"),
        ("ProductKey", key),
    ];
    let values = |entries: &[(&str, &str)]| TokenValues::new(entries.iter().map(entry).collect());
    Message::new(Content::TokenRequest(TokenRequest::new(service, values(&use_key), values(&claims))))
}

fn token_response() -> Message {
    let licence = "<?xml version=\"1.0\"?><rg:licenseGroup xmlns:rg=\"urn:x\"><r:license/></rg:licenseGroup>";
    let token = TokenValues::new(vec![TokenEntry::new("UseLicense", licence)]);
    Message::new(Content::TokenResponse(TokenResponse::new("UseLicense".to_owned(), token)))
}

fn fault() -> Fault {
    Fault {
        code: Some("soap:Server".to_owned()),
        reason: Some("Server was unable to process request.".to_owned()),
        actor: Some("http://example.test/".to_owned()),
        hresult: Some(0xc004_c017),
        messages: vec!["The product key is blocked.".to_owned(), "Again.".to_owned()],
        detail: vec![Field { name: "Source".to_owned(), value: "a < b".to_owned() }],
        ..Fault::default()
    }
}

/// One message of every kind.
fn messages() -> Vec<Message> {
    let mut messages = vec![
        request(1),
        request(3),
        response(2),
        token_response(),
        Message::new(Content::Fault(fault())),
        Message::bare(Content::RequestDocument(request_document(1))),
        Message::bare(Content::ResponseDocument(response_document(&request_document(1)))),
        Message::new(Content::Other { name: "Ping".to_owned(), namespace: "urn:x".to_owned() }),
        Message::new(Content::Other { name: String::new(), namespace: String::new() }),
    ];
    messages.extend(TokenService::ALL.map(token_request));
    messages
}

fn layouts() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for envelope_prefix in ["soap", "s", ""] {
        for prefix in ["", "ar"] {
            for (indent, crlf) in [(None, false), (Some(2), false), (Some(2), true), (Some(0), true)] {
                for declaration in [None, Some("utf-8"), Some("utf-16")] {
                    layouts.push(Layout {
                        envelope_prefix: Cow::Borrowed(envelope_prefix),
                        prefix: Cow::Borrowed(prefix),
                        indent,
                        crlf,
                        declaration,
                    });
                }
            }
        }
    }
    layouts
}

#[track_caller]
fn parse(body: &[u8]) -> Message {
    Message::parse(body).unwrap()
}

#[track_caller]
fn batch_request(message: &Message) -> &BatchRequest {
    match &message.content {
        Content::BatchRequest(request) => request,
        other => panic!("{other:?}"),
    }
}

fn documents(message: &Message) -> (Option<&RequestDocument>, Option<&ResponseDocument>) {
    (message.request_document(), message.response_document())
}

#[test]
fn every_message_is_read_again_from_every_layout_version_and_encoding() {
    for message in messages() {
        for layout in layouts() {
            assert_eq!(parse(&message.encode_with(&layout)), message, "{layout:?}");
        }
        for charset in [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be] {
            for has_bom in [false, true] {
                for soap in [SoapVersion::V1_1, SoapVersion::V1_2, SoapVersion::Other("urn:soap".to_owned())]
                {
                    let encoding = Encoding { charset, has_bom };
                    let message = Message { encoding, soap: Some(soap), ..message.clone() };
                    assert_eq!(parse(&message.encode()), message);
                }
            }
        }
    }
}

#[test]
fn a_request_is_verified_over_its_bytes_in_every_layout_of_its_document() {
    for layout in layouts() {
        let request = BatchRequest::of(request_document(3), &layout);
        assert_eq!(request.digest_check(), DigestCheck::Pass);
        let message = parse(&Message::new(Content::BatchRequest(request.clone())).encode());
        assert_eq!(batch_request(&message), &request);
        assert_eq!(batch_request(&message).digest_check(), DigestCheck::Pass);
        for at in (0..request.raw.len()).step_by(97) {
            let mut changed = request.clone();
            changed.raw[at] ^= 1;
            let message = parse(&Message::new(Content::BatchRequest(changed)).encode());
            assert_eq!(batch_request(&message).digest_check(), DigestCheck::Fail, "byte {at}");
        }
    }
}

#[test]
fn a_request_as_a_client_sends_it_is_read_by_hand() {
    let raw = utf16::encode(
        "<ar:ActivationRequest xmlns:ar='http://www.microsoft.com/DRM/SL/BatchActivationRequest/1.0'>\r\n  \
         <ar:VersionNumber>2.0</ar:VersionNumber>\r\n  <ar:RequestType>2</ar:RequestType>\r\n  \
         <ar:Requests><ar:Request><ar:PID>XXXXX-1</ar:PID></ar:Request></ar:Requests></ar:ActivationRequest>",
    );
    let sent = BatchRequest::of_raw(raw);
    let text = String::from_utf8(Message::new(Content::BatchRequest(sent.clone())).encode()).unwrap();
    let begin = text.find("<RequestXml>").unwrap() + "<RequestXml>".len();
    let end = text.find("</RequestXml>").unwrap();
    // Broken into lines, as many base64 encoders do.
    let lines: Vec<&str> =
        text.as_bytes()[begin..end].chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let body = format!("{}\r\n{}\r\n{}", &text[..begin], lines.join("\r\n"), &text[end..]);
    let message = parse(body.as_bytes());
    assert_eq!(message.error, None);
    let request = batch_request(&message);
    assert_eq!(request, &sent);
    assert_eq!(request.digest_check(), DigestCheck::Pass);
    assert_eq!(request.document.items[0].pid.as_deref(), Some("XXXXX-1"));
    assert_eq!(request.document.items[0].iid, None);
    assert_eq!(request.document.request_type, Some(RequestType::REMAINING_COUNT));
}

#[test]
fn each_wrong_request_xml_is_positioned_and_what_is_there_is_read() {
    let whole = BatchRequest::of(request_document(2), &Layout::COMPACT);
    let with = |request_xml: &str| {
        let body = format!(
            "<BatchActivate><request><Digest>{}</Digest><RequestXml>{request_xml}</RequestXml></request></BatchActivate>",
            whole.digest.as_deref().unwrap()
        );
        let message = parse(body.as_bytes());
        assert_eq!(message.error, None);
        batch_request(&message).clone()
    };
    let text = String::from_utf8(Message::bare(Content::BatchRequest(whole.clone())).encode()).unwrap();
    let begin = text.find("<RequestXml>").unwrap() + "<RequestXml>".len();
    let base64 = &text[begin..text.find("</RequestXml>").unwrap()];

    let broken = with(&base64.replacen(&base64[800..801], "*", 1));
    let error = broken.error.clone().unwrap();
    assert_eq!((error.layer, error.field), ("RequestXml", "base64"));
    assert_eq!((broken.is_whole, broken.digest_check()), (false, DigestCheck::Unreadable));

    let broken = with(&[&base64[..800], "*", &base64[801..]].concat());
    assert_eq!(broken.error.unwrap().offset, 800);
    assert_eq!(broken.raw, whole.raw[..600]);
    assert_eq!(broken.document.items[0], whole.document.items[0]);

    let plain = with("&lt;ActivationRequest/&gt;");
    assert_eq!(plain.error.unwrap().to_string(), "RequestXml: base64 at offset 0: no character of base64");

    for (raw, error) in [
        (b"<\0A\0".to_vec(), "request document: markup at offset 0: needed 3 bytes, got 2"),
        (
            b"\x01\x02\x03".to_vec(),
            "request document: root element at offset 0: there is text, but no element around it",
        ),
        (
            [
                utf16::encode("<ActivationRequest><X>"),
                vec![0, 0xdc],
                utf16::encode("</X></ActivationRequest>"),
            ]
            .concat(),
            "request document: text at offset 44: a surrogate without its partner",
        ),
    ] {
        let request = BatchRequest::of_raw(raw);
        assert_eq!(request.error.as_ref().unwrap().to_string(), error);
        assert_eq!(request.digest_check(), DigestCheck::Pass);
    }
}

#[test]
fn every_documented_error_code_is_read_where_it_can_stand() {
    let mut codes: Vec<ErrorCode> = ErrorCode::all().iter().map(|(code, ..)| *code).collect();
    codes.extend([ErrorCode(0), ErrorCode(0xabc), ErrorCode(0xffff_ffff)]);
    for code in codes {
        for soap in [SoapVersion::V1_1, SoapVersion::V1_2] {
            let mut document = response_document(&request_document(3));
            document.items[1] = ResponseItem {
                pid: document.items[1].pid.clone(),
                error_info: Some(code.into()),
                ..ResponseItem::default()
            };
            document.error_info = Some(ErrorInfo::from(code));
            let sent = Message {
                soap: Some(soap),
                ..Message::new(Content::BatchResponse(BatchResponse::of(document)))
            };
            let read = parse(&sent.encode());
            assert_eq!(read, sent);
            let document = read.response_document().unwrap();
            let errors: Vec<_> = document.items.iter().map(ResponseItem::error_code).collect();
            assert_eq!(errors, [None, Some(code), None]);
            assert_eq!(document.error_code(), Some(code));
        }
    }
}

#[test]
fn a_response_as_the_service_sends_it_is_read_by_hand() {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soap:Body><BatchActivateResponse \
         xmlns=\"http://www.microsoft.com/BatchActivationService\"><BatchActivateResult><ResponseXml>\
         &lt;?xml version=\"1.0\" encoding=\"utf-16\"?&gt;\r\n&lt;ActivationResponse \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns=\"http://www.microsoft.com/DRM/SL/BatchActivationResponse/1.0\"&gt;\r\n  \
         &lt;VersionNumber&gt;1.0&lt;/VersionNumber&gt;&lt;ResponseType&gt;1&lt;/ResponseType&gt;\
         &lt;BatchId&gt;{BATCH_ID}&lt;/BatchId&gt;&lt;Responses&gt;&lt;Response&gt;&lt;PID&gt;{PID}&lt;/PID&gt;\
         &lt;ActivationRemaining&gt;-1&lt;/ActivationRemaining&gt;&lt;IID&gt;{IID}&lt;/IID&gt;\
         &lt;CID&gt;{CID}&lt;/CID&gt;&lt;/Response&gt;&lt;/Responses&gt;&lt;/ActivationResponse&gt;\
         </ResponseXml></BatchActivateResult></BatchActivateResponse></soap:Body></soap:Envelope>\r\n"
    );
    let message = parse(body.as_bytes());
    assert_eq!((&message.error, &message.soap), (&None, &Some(SoapVersion::V1_1)));
    let Content::BatchResponse(response) = &message.content else { panic!("{message:?}") };
    assert_eq!((response.form, &response.error), (ResponseForm::Text, &None));
    let document = &response.document;
    assert_eq!(document.batch_guid(), Guid::parse(BATCH_ID));
    assert_eq!(document.version_number.as_deref(), Some("1.0"));
    let item = &document.items[0];
    assert_eq!((item.pid.as_deref(), item.iid.as_deref()), (Some(PID), Some(IID)));
    assert_eq!((item.cid.as_deref(), item.activation_remaining), (Some(CID), Some(-1)));
}

#[test]
fn a_response_is_read_from_text_from_base64_and_from_elements() {
    for form in [ResponseForm::Text, ResponseForm::Base64, ResponseForm::Elements] {
        let document = response_document(&request_document(2));
        let sent = BatchResponse { form, ..BatchResponse::of(document) };
        for layout in layouts() {
            let message = Message::new(Content::BatchResponse(sent.clone()));
            assert_eq!(parse(&message.encode_with(&layout)), message, "{layout:?}");
        }
    }
    let cdata = "<BatchActivateResponse><ResponseXml><![CDATA[<ActivationResponse><BatchId>1</BatchId>\
        </ActivationResponse>]]></ResponseXml></BatchActivateResponse>";
    let message = parse(cdata.as_bytes());
    assert_eq!(message.response_document().unwrap().batch_id.as_deref(), Some("1"));
}

#[test]
fn a_response_echoes_its_request_or_fails_by_name() {
    let asked = request(3);
    let asked = asked.request_document();
    let answer = response(3);
    let mut answer = answer.response_document().unwrap().clone();
    assert_eq!(EchoChecks::of(&answer, asked).by_name().map(|(_, check)| check), [Check::Pass; 4]);
    answer.items.swap(0, 2);
    answer.items[1].iid = Some("0".repeat(54));
    let expected = [
        ("count", Check::Pass),
        ("order", Check::Fail),
        ("pid_echo", Check::Pass),
        ("iid_echo", Check::Fail),
    ];
    assert_eq!(EchoChecks::of(&answer, asked).by_name(), expected);
}

#[test]
fn faults_of_both_versions_are_read_with_their_hresult() {
    let old = "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault>\
        <faultcode>s:Server</faultcode><faultstring>No</faultstring><detail><HRESULT>0xC004C003</HRESULT>\
        <Messages><Message>one</Message><Message>two</Message></Messages></detail></s:Fault></s:Body></s:Envelope>";
    let new = "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Body><e:Fault><e:Code>\
        <e:Value>e:Receiver</e:Value><e:Subcode><e:Value>a</e:Value><e:Subcode><e:Value>b</e:Value></e:Subcode>\
        </e:Subcode></e:Code><e:Reason><e:Text xml:lang='en'>No</e:Text></e:Reason><e:Role>r</e:Role>\
        <e:Detail><x:Server xmlns:x='u'><x:HRESULT>-1073430525</x:HRESULT><x:Messages><x:Message>one</x:Message>\
        <x:Message>two</x:Message></x:Messages></x:Server><Y>z</Y></e:Detail></e:Fault></e:Body></e:Envelope>";
    for (body, version, code) in
        [(old, SoapVersion::V1_1, "s:Server"), (new, SoapVersion::V1_2, "e:Receiver")]
    {
        let message = parse(body.as_bytes());
        assert_eq!((&message.error, &message.soap), (&None, &Some(version)));
        let Content::Fault(fault) = &message.content else { panic!("{message:?}") };
        assert_eq!((fault.code.as_deref(), fault.reason.as_deref()), (Some(code), Some("No")));
        assert_eq!(
            (fault.hresult, &fault.messages[..]),
            (Some(0xc004_c003), &["one".to_owned(), "two".to_owned()][..])
        );
        assert_eq!(parse(&message.encode()), message);
    }
    let Content::Fault(fault) = parse(new.as_bytes()).content else { panic!("it is a fault") };
    assert_eq!((fault.subcodes.join(" "), fault.actor.as_deref()), ("a b".to_owned(), Some("r")));
    assert_eq!((fault.detail[0].name.as_str(), fault.detail[0].value.as_str()), ("Y", "z"));
}

#[test]
fn every_token_service_is_recognised_and_its_claims_are_listed() {
    for service in TokenService::ALL {
        let Content::TokenRequest(request) = parse(&token_request(service).encode()).content else {
            panic!("it is a token request")
        };
        assert_eq!(request.service(), Some(service));
        assert_eq!(request.claims("ProductKey").count(), 2);
        assert_eq!(request.claims("BindingType").next(), Some("msft:rm/algorithm/hwid/4.0"));
        let claims = request.claims.unwrap();
        assert_eq!((claims.entries.len(), claims.count_check()), (6, Check::Pass));
        assert_eq!(claims.entries[5].name.as_deref(), Some("ProductKey"));
    }
}

#[test]
fn an_array_type_that_miscounts_fails_the_check_and_costs_no_entry() {
    let mut message = token_request(TokenService::ProductActivation);
    if let Content::TokenRequest(request) = &mut message.content
        && let Some(claims) = &mut request.claims
    {
        claims.array_type = Some("q1:TokenEntry[11]".to_owned());
    }
    let Content::TokenRequest(request) = parse(&message.encode()).content else {
        panic!("it is a token request")
    };
    let claims = request.claims.unwrap();
    assert_eq!((claims.declared(), claims.entries.len(), claims.count_check()), (Some(11), 6, Check::Fail));
}

#[test]
fn a_licence_is_text_that_is_not_looked_into() {
    let Content::TokenResponse(response) = parse(&token_response().encode()).content else {
        panic!("it is a token response")
    };
    assert_eq!(response.service(), Some(TokenService::Licensing));
    let token = response.token.unwrap();
    assert!(
        token.values("UseLicense").next().unwrap().starts_with("<?xml version=\"1.0\"?><rg:licenseGroup")
    );
}

#[test]
fn a_bomb_of_entities_is_not_expanded() {
    let mut body = "<!DOCTYPE a [<!ENTITY l0 \"ha\">".to_owned();
    for i in 1..40 {
        body += &format!("<!ENTITY l{i} \"{}\">", format!("&l{};", i - 1).repeat(10));
    }
    body += "]><ActivationRequest><VersionNumber>&l39;</VersionNumber><RequestType>1</RequestType></ActivationRequest>";
    let message = parse(body.as_bytes());
    let document = message.request_document().unwrap();
    assert_eq!(document.version_number.as_deref(), Some("&l39;"));
    assert_eq!(document.request_type, Some(RequestType::CONFIRMATION_ID));
    assert_eq!(
        message.error.unwrap().to_string(),
        "message: document type at offset 0: a document type declaration is not read"
    );
}

#[test]
fn a_bomb_of_depth_ends_the_reading() {
    for tag in ["<a>", "<Subcode>", "<RequestXml>", "<x:request xmlns:x='u'>"] {
        for around in ["", "<Fault><Code>", "<Fault><detail>", "<BatchActivate>"] {
            let body = [around, &tag.repeat(100_000)].concat();
            let message = parse(body.as_bytes());
            let error = message.error.unwrap();
            assert_eq!(
                error.kind,
                ErrorKind::Malformed { what: "elements are nested too deep" },
                "{tag} {around}"
            );
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_read_up_to_the_limit() {
    let mut body = request(1).encode();
    body.resize(volact::mak::MAX_BODY + 1, b' ');
    let message = parse(&body);
    assert_eq!(message.request_document(), request(1).request_document());
    assert_eq!(message.error.unwrap().field, "body");
}

#[test]
fn what_is_no_xml_is_an_error() {
    for body in
        [&b""[..], b"Service Unavailable", b"\0\0\0\0", b"{\"a\": 1}", b"\xff\xfe", b"<", b"<!-- x -->"]
    {
        assert!(Message::parse(body).is_err(), "{body:?}");
    }
}

#[test]
fn what_stands_beside_the_body_is_told_apart_from_what_stands_in_it() {
    let body = br#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><BatchActivateResponse>no</BatchActivateResponse>
        <s:Body><Ping xmlns="urn:a"/><Behind>1</Behind></s:Body><Beside>2</Beside></s:Envelope>"#;
    let message = parse(body);
    assert_eq!(message.content, Content::Other { name: "Ping".to_owned(), namespace: "urn:a".to_owned() });
    let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&message.other), ["Behind"]);
    assert_eq!(names(&message.beside), ["BatchActivateResponse", "Beside"]);
    assert_eq!(parse(&message.encode()), message);
}

#[test]
fn a_stranger_is_kept_with_the_elements_that_it_stands_in() {
    let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    for (body, expected) in [
        (
            "<ActivationResponse xmlns='urn:r'><Responses><ErrorInfo/><BatchId>1</BatchId></Responses></ActivationResponse>",
            &["Responses/ErrorInfo", "Responses/BatchId"][..],
        ),
        (
            "<ActivationRequest xmlns='urn:r'><X/><Requests><VersionNumber/></Requests></ActivationRequest>",
            &["X", "Requests/VersionNumber"],
        ),
        (
            "<RequestSecurityToken xmlns='urn:t'><UseKey><TokenType/></UseKey><Claims><A/></Claims></RequestSecurityToken>",
            &["UseKey/TokenType", "Claims/A"],
        ),
        (
            "<RequestSecurityTokenResponse xmlns='urn:t'><RequestedSecurityToken><TmsResponseToken><TokenType/></TmsResponseToken>\
             <TokenType/></RequestedSecurityToken></RequestSecurityTokenResponse>",
            &["RequestedSecurityToken/TmsResponseToken/TokenType", "RequestedSecurityToken/TokenType"],
        ),
        (
            "<Fault xmlns='http://www.w3.org/2003/05/soap-envelope'><Code><Subcode><Value>a</Value><Role/></Subcode><Reason/></Code>\
             <Reason><Node/></Reason></Fault>",
            &["Code/Subcode/Role", "Code/Reason", "Reason/Node"],
        ),
    ] {
        let message = parse(body.as_bytes());
        let other = match &message.content {
            Content::ResponseDocument(document) => &document.other,
            Content::RequestDocument(document) => &document.other,
            Content::TokenRequest(request) => &request.other,
            Content::TokenResponse(response) => &response.other,
            Content::Fault(fault) => &fault.other,
            content => panic!("{}", content.name()),
        };
        assert_eq!(names(other), expected);
        assert_eq!(message.error, None);
        let again = parse(&message.encode());
        assert_eq!(again, message, "{}", String::from_utf8_lossy(&message.encode()));
    }
}

#[test]
fn a_message_cut_anywhere_says_where_and_keeps_what_was_there() {
    for message in messages() {
        for layout in [Layout::default(), Layout { envelope_prefix: Cow::Borrowed("s"), ..Layout::INDENTED }]
        {
            let body = message.encode_with(&layout);
            let mut most = 0;
            for end in 0..body.len() {
                let Ok(cut) = Message::parse(&body[..end]) else { continue };
                let error = cut.error.as_ref().expect("it is cut");
                assert!(error.offset <= end, "{error} is beyond {end} bytes");
                assert!(matches!(error.kind, ErrorKind::Truncated { .. }), "{error} at {end}");
                let (asked, answered) = documents(&cut);
                let items = asked.map_or(0, |document| document.items.len())
                    + answered.map_or(0, |document| document.items.len());
                assert!(items >= most, "items are lost at {end}");
                most = items;
                let is_like = |read: &[Option<&str>], whole: &[Option<&str>]| {
                    read.iter().zip(whole).all(|(read, whole)| read.is_none() || read == whole)
                };
                if let (Some(asked), Some(whole)) = (asked, message.request_document()) {
                    for (item, whole) in asked.items.iter().zip(&whole.items) {
                        let of = |item: &RequestItem| [item.pid.clone(), item.iid.clone()];
                        let (item, whole) = (of(item), of(whole));
                        assert!(is_like(
                            &item.each_ref().map(Option::as_deref),
                            &whole.each_ref().map(Option::as_deref)
                        ));
                    }
                }
            }
            let (asked, answered) = documents(&message);
            let items = asked.map_or(0, |document| document.items.len())
                + answered.map_or(0, |document| document.items.len());
            assert_eq!(most, items, "every item is there before the message is whole");
        }
    }
}

fn computers(file: &str) -> Vec<Computer> {
    let mut computers = Vec::new();
    let summary = vamt::read(file.as_bytes(), |entry| {
        if let Entry::Computer(computer) = entry {
            computers.push(computer);
        }
    });
    assert_eq!((summary.error, summary.computers), (None, computers.len() as u64));
    computers
}

#[test]
fn a_vamt_file_says_the_same_in_attributes_and_in_elements() {
    let grouped = IID
        .as_bytes()
        .chunks(7)
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect::<Vec<_>>()
        .join("-");
    let in_attributes = format!(
        "<?xml version=\"1.0\"?><SoftwareLicensingData xmlns=\"urn:v\"><Computers><Computer Name=\"PC-1\" \
         OSVersion=\"6.2\"><Products><Product ProductId=\"{PID}\" InstallationId=\"{grouped}\" \
         ConfirmationId=\"{CID}\"><Sku Name=\"Pro\"/></Product><Product ProductId=\"x\"/></Products></Computer>\
         <Computer Name=\"PC-2\"/></Computers></SoftwareLicensingData>"
    );
    let in_elements = format!(
        "<v:SoftwareLicensingData xmlns:v=\"urn:v\"><v:Computers>\r\n <v:Computer>\r\n  <v:Name>PC-1</v:Name>\
         <v:OSVersion>6.2</v:OSVersion><v:Products>\r\n<v:Product><v:ProductId>{PID}</v:ProductId>\
         <v:InstallationId>{grouped}</v:InstallationId><v:ConfirmationId>{CID}</v:ConfirmationId><v:Sku>\
         <v:Name>Pro</v:Name></v:Sku></v:Product><v:Product><v:ProductId>x</v:ProductId></v:Product></v:Products>\
         </v:Computer><v:Computer><v:Name>PC-2</v:Name></v:Computer></v:Computers></v:SoftwareLicensingData>"
    );
    for (file, is_attribute) in [(in_attributes, true), (in_elements, false)] {
        let computers = computers(&file);
        assert_eq!(computers.len(), 2);
        let [one, two] = &computers[..] else { panic!("{computers:?}") };
        assert_eq!((one.value("Name"), one.value("OSVersion")), (Some("PC-1"), Some("6.2")));
        assert_eq!((two.value("Name"), two.products.len()), (Some("PC-2"), 0));
        assert!(one.values.iter().all(|value| value.is_attribute == is_attribute));
        let product = &one.products[0];
        assert_eq!((product.value("ProductId"), product.value("Sku/Name")), (Some(PID), Some("Pro")));
        assert_eq!(one.products[1].value("ProductId"), Some("x"));
        let candidates: Vec<_> =
            one.candidates().map(|candidate| (candidate.kind, candidate.name, candidate.value)).collect();
        assert_eq!(
            candidates,
            [
                (CandidateKind::InstallationId, "InstallationId", grouped.as_str()),
                (CandidateKind::ConfirmationId, "ConfirmationId", CID),
            ]
        );
    }
}

#[test]
fn a_vamt_file_cut_anywhere_ends_with_an_error_and_the_computers_before() {
    let file =
        format!("<D><Computers>{}</Computers></D>", "<Computer Name='x'><A>&#65;</A></Computer>".repeat(3));
    for end in 0..file.len() {
        let mut count = 0;
        let summary = vamt::read(&file.as_bytes()[..end], |_| count += 1);
        assert!(summary.error.is_some_and(|error| error.offset <= end), "{end}");
        let begun = file[..end].matches("'x'>").count();
        assert_eq!((count, summary.computers), (begun, begun as u64), "{end}");
    }
}
