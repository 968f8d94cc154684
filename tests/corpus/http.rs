//! Seeds of `http` and `har`, written by hand: one kind of framing, of oddity or of damage each.

use volact::fuzzing::FramerPlan;

/// Seeds of `http`.
pub(crate) fn http() -> Vec<(&'static str, Vec<u8>)> {
    const REQUESTS: u8 = 0;
    const RESPONSES: u8 = 1;
    const TO_GET: u8 = 2;
    const TO_HEAD: u8 = 4;
    const TO_CONNECT: u8 = 6;
    const MADE: u8 = 8;
    const UNWANTED: u8 = 16;
    let get = "GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n";
    let post = "POST /BatchActivation/BatchActivation.asmx HTTP/1.1\r\nHost: test.example\r\n\
        Content-Type: text/xml; charset=\"utf-8\"\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n<Envelope/>";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=\"b\"\r\n<Env\r\n07 \r\nelope/>\r\n0\r\nT: t\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>";
    let plan = |kind: u8, mid_stream: bool, gap: [u16; 2], stream: &str| {
        let third = u16::try_from(stream.len() / 3).unwrap();
        let cuts = [third, 2 * third, 2 * third + 1, 20];
        [vec![kind], FramerPlan { mid_stream, cuts, gap, stream: stream.as_bytes() }.write()].concat()
    };
    let whole = |kind, stream: &str| plan(kind, false, [0, 0], stream);
    let made = |kind: u8, choices: fn(u8) -> u8| {
        let stream: Vec<u8> = (0..=255).map(choices).collect();
        let plan = FramerPlan { mid_stream: false, cuts: [7, 50, 51, 120], gap: [0, 0], stream: &stream };
        [vec![kind | MADE], plan.write()].concat()
    };
    vec![
        ("requests.pipelined", whole(REQUESTS, &[get, post, get].concat())),
        ("requests.empty_lines", whole(REQUESTS, &["\r\n\n", get, "\r\n", get, "\r\n"].concat())),
        (
            "requests.conflicting_lengths",
            whole(REQUESTS, &post.replace("Expect", "Content-Length: 3\r\nExpect")),
        ),
        ("requests.folded_field", whole(REQUESTS, &get.replace("test.", "\r\n\ttest.\r\n "))),
        ("requests.bare_line_feeds", whole(REQUESTS, &post.replace('\r', ""))),
        ("requests.unwanted", whole(UNWANTED, &[post, get].concat())),
        ("requests.http2", whole(REQUESTS, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0")),
        ("requests.tls", whole(REQUESTS, "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\n")),
        ("requests.mid_stream", plan(REQUESTS, true, [0, 0], &["elope/>", get, post].concat())),
        ("requests.gap_in_a_body", plan(REQUESTS, false, [180, 5], &[post, get].concat())),
        ("requests.gap_in_a_head", plan(REQUESTS, false, [30, 5], &[get, post, get].concat())),
        ("responses.interim", whole(TO_GET | RESPONSES, &["HTTP/1.1 100 Continue\r\n\r\n", ok].concat())),
        ("responses.chunked", whole(RESPONSES, &[chunked, ok, chunked].concat())),
        (
            "responses.chunked_and_length",
            whole(RESPONSES, &[&chunked.replace("\r\nT", "\r\nContent-Length: 9\r\nT"), ok].concat()),
        ),
        ("responses.damaged_chunk", whole(RESPONSES, &[&chunked.replace("07", "0x7"), ok].concat())),
        ("responses.gap_in_a_chunk", plan(RESPONSES, false, [68, 2], &[chunked, ok].concat())),
        ("responses.gap_beyond_a_chunk", plan(RESPONSES, false, [68, 9], &[chunked, ok].concat())),
        (
            "responses.until_close",
            whole(RESPONSES, "HTTP/1.0 200 OK\r\nServer: a\r\n\r\nto the end\r\nHTTP/1.1 "),
        ),
        ("responses.to_head", whole(TO_HEAD | RESPONSES, &[ok.trim_end_matches("<a/>"), ok].concat())),
        (
            "responses.to_connect",
            whole(TO_CONNECT | RESPONSES, "HTTP/1.1 200 Yes\r\n\r\n\u{16}\u{3}\u{3}\0\u{1}\n"),
        ),
        (
            "responses.switching",
            whole(RESPONSES, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\nabc"),
        ),
        ("made.requests_1", made(0, |i| i.wrapping_mul(37))),
        ("made.requests_2", made(0, |i| i.wrapping_mul(91).wrapping_add(5))),
        ("made.responses_1", made(RESPONSES, |i| i.wrapping_mul(37).wrapping_add(3))),
        ("made.responses_2", made(RESPONSES, |i| i.wrapping_mul(53).wrapping_add(5))),
    ]
}

/// Seeds of `har`.
pub(crate) fn har() -> Vec<(&'static str, Vec<u8>)> {
    let chrome = r#"{
  "log": {
    "version": "1.2",
    "creator": {"name": "WebInspector", "version": "537.36"},
    "pages": [],
    "entries": [
      {
        "_connectionId": "97",
        "_initiator": {"type": "script", "stack": {"callFrames": []}},
        "_priority": "High",
        "cache": {},
        "connection": "443",
        "request": {"method": "POST", "url": "https://test.example/a", "httpVersion": "http/1.1",
          "headers": [{"name": "SOAPAction", "value": "urn:a"}], "queryString": [], "cookies": [],
          "headersSize": 312, "bodySize": 4, "postData": {"mimeType": "text/xml", "text": "<a/>"}},
        "response": {"status": 200, "statusText": "OK", "httpVersion": "http/1.1", "headers": [], "cookies": [],
          "content": {"size": 4, "mimeType": "text/xml", "text": "<b/>"}, "redirectURL": "", "headersSize": 1,
          "bodySize": -1, "_transferSize": 77, "_error": null},
        "serverIPAddress": "192.0.2.1",
        "startedDateTime": "2026-11-22T07:00:00.123Z",
        "time": 12.345678,
        "timings": {"blocked": 1.2, "send": -1}
      }
    ]
  }
}"#;
    let firefox = r#"{"log":{"version":"1.1","creator":{"name":"Firefox","version":"140.0"},"browser":{"name":"Firefox",
"version":"140.0"},"pages":[{"id":"page_1","pageTimings":{"onLoad":-1}}],"entries":[{"startedDateTime":
"2026-11-22T08:00:00.123+01:00","request":{"bodySize":3,"method":"POST","url":"http://[2001:db8::1]/","httpVersion":
"HTTP/1.1","headers":[],"postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a","value":"b"}],
"text":"a=b"}},"response":{"status":0,"statusText":"","content":{"mimeType":"","size":0}},"cache":{},"time":0,
"_securityState":"secure","connection":"80"}]}}"#;
    let mitmproxy = r#"{"log": {"version": "1.2", "creator": {"name": "mitmproxy", "version": "12"}, "pages": [], "entries": [
{"startedDateTime": "2026-11-22T07:00:00.123456+00:00", "time": 5.0, "request": {"method": "GET", "url": "http://test.example/",
"headers": [], "postData": {"mimeType": "a/b", "text": "PGEvPg==", "_encoding": "base64"}}, "response": {"status": 200, "content":
{"size": 4, "compression": 0, "mimeType": "", "text": "PGIv\nPg", "encoding": "base64"}}}]}}"#;
    let fiddler = format!(
        "\u{feff}{}",
        r#"{"log":{"pages":[],"comment":"exported","entries":[{"time":31,"startedDateTime":"2026-11-22T08:00:00.1234567+01:00",
"request":{"headers":[{"name":"Host","value":"test.example"}],"method":"GET","url":"x"},"response":{"status":503,
"content":{"size":0,"encoding":"base64","text":"*"}}}],"creator":{"version":"5","name":"Fiddler"},"version":"1.2"}}"#
    );
    let log = |entries: &str| format!(r#"{{"log": {{"entries": [{entries}]}}}}"#);
    let seeds = [
        ("chrome", chrome.to_owned()),
        ("firefox", firefox.to_owned()),
        ("mitmproxy", mitmproxy.to_owned()),
        ("fiddler", fiddler),
        ("cut", chrome[..900].to_owned()),
        ("cut_in_an_escape", log(r#"{"comment": "\u12"#)),
        ("damaged", chrome.replace("\"time\":", "\"time\"")),
        ("bytes_behind", format!("{firefox}\0\0")),
        ("no_entries", r#"{"log": {"version": "1.2"}}"#.to_owned()),
        ("no_har", r#"[{"log": 1}, "log"]"#.to_owned()),
        ("empty", String::new()),
        (
            "other_types",
            log(
                r#"{"request": [], "response": 7, "time": "1", "comment": true, "connection": {"a": []}}, null, 5"#,
            ),
        ),
        ("numbers", log(r#"{"time": -1e-300, "response": {"status": 65536, "content": {"size": -1}}}"#)),
        ("lone_surrogates", log(r#"{"comment": "\ud800 \ude00 \ud83d\ude00 \ud83d\ud83d"}"#)),
        (
            "two_lists",
            r#"{"log": {"entries": [{}], "entries": [{}, {}]}, "log": {"entries": [{}]}}"#.to_owned(),
        ),
        ("deep", format!("{}{}", log(""), "[".repeat(200))),
        ("deep_in_an_entry", log(&format!("{{\"_a\": {}", "[{\"b\":".repeat(70)))),
        ("made", (0..=255u8).map(|i| char::from(32 + i.wrapping_mul(37) % 90)).collect()),
    ];
    seeds.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}
