//! Seeds of `soap` and `vamt`: one of each kind of document, and of what can be wrong with it.

use volact::mak::{
    BatchRequest, BatchResponse, Charset, Content, Encoding, ErrorCode, Fault, Layout, Message,
    RequestDocument, RequestItem, RequestType, ResponseDocument, ResponseForm, ResponseItem, SoapVersion,
    TokenEntry, TokenRequest, TokenResponse, TokenService, TokenValues,
};
use volact::wire::utf16;

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let bodies = bodies().into_iter().map(|(name, body)| ("soap", name, [vec![0], body].concat()));
    // Bit 0 of the first byte says that a body is made of what follows: what kind it is, and then what is in it.
    let made = MADE.into_iter().enumerate().map(|(kind, name)| {
        let kind = u8::try_from(kind).unwrap();
        let choices = (0..200_u8).map(|i| i.wrapping_mul(37).wrapping_add(kind));
        ("soap", name, [1, kind].into_iter().chain(choices).collect())
    });
    let files = files().into_iter().map(|(name, file)| ("vamt", name, file));
    bodies.chain(made).chain(files).collect()
}

const MADE: [&str; 8] = [
    "made.batch_request",
    "made.batch_response",
    "made.request_document",
    "made.response_document",
    "made.token_request",
    "made.token_response",
    "made.fault",
    "made.other",
];

const PID: &str = "00000-04249-038-820384-03-2052-9200.0000-0902023";
const IID: &str = "330512311875727788090139496334835149954645445802270599047875924";
const CID: &str = "429292031401597794898455690612212251894655189294";

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let item = RequestItem { pid: Some(PID.to_owned()), iid: Some(IID.to_owned()), other: Vec::new() };
    let asked = RequestDocument::new(RequestType::CONFIRMATION_ID, vec![item.clone(), item]);
    let remaining = RequestDocument::new(
        RequestType::REMAINING_COUNT,
        vec![RequestItem { pid: Some(PID.to_owned()), ..RequestItem::default() }],
    );
    let answer = ResponseItem {
        pid: Some(PID.to_owned()),
        activation_remaining: Some(-1),
        iid: Some(IID.to_owned()),
        cid: Some(CID.to_owned()),
        ..ResponseItem::default()
    };
    let refusal = ResponseItem {
        pid: Some(PID.to_owned()),
        error_info: Some(ErrorCode::LIMIT_EXCEEDED.into()),
        ..ResponseItem::default()
    };
    let answered = ResponseDocument {
        batch_id: Some("{976cbe56-21e5-4e13-bdc3-4e72d7ab48fd}".to_owned()),
        ..ResponseDocument::new(RequestType::CONFIRMATION_ID, vec![answer, refusal])
    };
    let failed = ResponseDocument {
        error_info: Some(ErrorCode(0x8013_1600).into()),
        ..ResponseDocument::new(RequestType::CONFIRMATION_ID, Vec::new())
    };
    let prefixed = Layout { prefix: "ar".into(), ..Layout::INDENTED };
    let request = |document: &RequestDocument, layout: &Layout| {
        Message::new(Content::BatchRequest(BatchRequest::of(document.clone(), layout)))
    };
    let response = |document: &ResponseDocument, form| {
        let response = BatchResponse { form, ..BatchResponse::of(document.clone()) };
        Message::new(Content::BatchResponse(response))
    };
    let in_utf_8 = utf16::decode(&remaining.encode(&Layout::COMPACT)).into_bytes();
    let fault = Fault {
        code: Some("soap:Server".to_owned()),
        reason: Some("It failed.".to_owned()),
        hresult: Some(0xc004_c017),
        messages: vec!["The key is blocked.".to_owned()],
        ..Fault::default()
    };
    let values =
        |names: &[&str]| TokenValues::new(names.iter().map(|name| TokenEntry::new(name, "value")).collect());
    let tokens = TokenRequest::new(
        TokenService::ProductActivation,
        values(&["PublicKey"]),
        values(&["BindingType", "Binding", "ProductKey", "ClientInformation"]),
    );
    let licence = TokenResponse::new("UseLicense".to_owned(), values(&["UseLicense"]));
    let new_soap = |message: Message| Message { soap: Some(SoapVersion::V1_2), ..message };
    let mut cut = request(&asked, &Layout::COMPACT).encode();
    cut.truncate(cut.len() / 2);
    let in_utf_16 = Encoding { charset: Charset::Utf16Be, has_bom: true };
    vec![
        ("request_type_1", request(&asked, &Layout::COMPACT).encode()),
        ("request_type_2", request(&remaining, &Layout::COMPACT).encode()),
        ("request_indented", request(&remaining, &Layout::INDENTED).encode_with(&Layout::INDENTED)),
        ("request_prefixed", request(&remaining, &prefixed).encode_with(&prefixed)),
        ("request_soap_1_2", new_soap(request(&remaining, &Layout::COMPACT)).encode()),
        (
            "request_in_utf_8",
            Message::new(Content::BatchRequest(BatchRequest::of_raw(in_utf_8))).encode(),
        ),
        ("request_cut", cut),
        ("request_document", Message::bare(Content::RequestDocument(remaining.clone())).encode()),
        (
            "body_in_utf_16",
            Message { encoding: in_utf_16, ..Message::bare(Content::RequestDocument(remaining.clone())) }
                .encode(),
        ),
        ("response_escaped", response(&answered, ResponseForm::Text).encode()),
        ("response_base64", response(&answered, ResponseForm::Base64).encode()),
        ("response_elements", response(&answered, ResponseForm::Elements).encode()),
        ("response_batch_error", response(&failed, ResponseForm::Text).encode()),
        ("response_document", Message::bare(Content::ResponseDocument(answered)).encode()),
        ("fault_soap_1_1", Message::new(Content::Fault(fault.clone())).encode()),
        ("fault_soap_1_2", new_soap(Message::new(Content::Fault(fault))).encode()),
        ("token_request", Message::new(Content::TokenRequest(tokens)).encode()),
        ("token_response", Message::new(Content::TokenResponse(licence)).encode()),
        (
            "entities",
            b"<!DOCTYPE a [<!ENTITY b \"c\"><!ENTITY d \"&b;&b;\">]><Fault><faultcode>&d;</faultcode></Fault>".to_vec(),
        ),
        ("cdata", b"<BatchActivateResponse><ResponseXml><![CDATA[<ActivationResponse/>]]></ResponseXml></BatchActivateResponse>".to_vec()),
        ("deep", "<Code>".repeat(70).into_bytes()),
        ("no_xml", b"Service Unavailable".to_vec()),
    ]
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let attributes = format!(
        "<SoftwareLicensingData xmlns=\"urn:v\"><Computers><Computer Name=\"PC-1\" OSVersion=\"6.2\"><Products>\
         <Product ProductId=\"{PID}\" InstallationId=\"{IID}\" ConfirmationId=\"{CID}\"><Sku Name=\"Pro\"/></Product>\
         </Products></Computer></Computers></SoftwareLicensingData>"
    );
    let elements = format!(
        "<?xml version=\"1.0\"?>\r\n<SoftwareLicensingData><Computers><Computer><Name>PC-1</Name><Products><Product>\
         <ProductId>{PID}</ProductId><InstallationId>{IID}</InstallationId></Product></Products></Computer>\
         </Computers></SoftwareLicensingData>"
    );
    let text = |text: &str| text.as_bytes().to_vec();
    let encoded = |charset, has_bom| Encoding { charset, has_bom }.encode(&elements);
    vec![
        ("attributes", text(&attributes)),
        ("attributes_cut", text(&attributes[..attributes.len() / 2])),
        ("elements", text(&elements)),
        ("elements_cut", text(&elements[..elements.len() - 60])),
        ("utf_8_bom", encoded(Charset::Utf8, true)),
        ("utf_16_le", encoded(Charset::Utf16Le, false)),
        ("utf_16_le_bom", encoded(Charset::Utf16Le, true)),
        ("utf_16_be_bom", encoded(Charset::Utf16Be, true)),
        ("utf_16_odd", encoded(Charset::Utf16Le, true)[..501].to_vec()),
        ("computers", text(&format!("<D>{}</D>", "<Computer Name='a'><P/></Computer>".repeat(5)))),
        (
            "nested",
            text("<D><Computer><Computer Name='a'/><Product><Product B='c'/></Product></Computer></D>"),
        ),
        (
            "entities",
            text("<!DOCTYPE D [<!ENTITY a 'b'>]><D><Computer Name='&lt;&a;'>&a;&#65;&</Computer></D>"),
        ),
        ("cdata", text("<D><Computer><A>x<![CDATA[<y>]]>z</A><!-- no --><?no ?></Computer></D>")),
        ("deep", text(&"<Computer>".repeat(70))),
        ("two_roots", text("<D/><D/>")),
        ("mismatch", text("<D><Computer><A></B></Computer></D>")),
        ("no_xml", text("MZ")),
    ]
}
