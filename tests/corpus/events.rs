//! Seeds of `events`: one of each form, and of what can be wrong with an event.

use volact::wire::{Charset, Encoding};

/// Target, name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    files().into_iter().map(|(name, bytes)| ("events", name, bytes)).collect()
}

const REQUESTED: &str = "0xC004F06C, 0x00000000, kms.example:1688, 36f27b39-2fd5-440b-be67-a09996d27a38, \
    2010/09/29 17:52, 0, 2, 41760, 68531fb9-5511-4989-97be-d11a0f55633f, 5";
const PROCESSED: &str = "0x00000000, 0x00000000, 1, 0, 10, 120, 10080, 2012/12/04 07:06";
const ANSWERED: &str = "0x0,5,client01.example,36f27b39-2fd5-440b-be67-a09996d27a38,2010/9/29 17:52,0,2,41760,\
    68531fb9-5511-4989-97be-d11a0f55633f";
const VIEWER: &str = "Level,Date and Time,Source,Event ID,Task Category";
const SPP: &str = "Microsoft-Windows-Security-SPP";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let text = |labels: &[&str], id: u32, message: &str| {
        let id = id.to_string();
        let values =
            ["Application", SPP, "2024-05-01T12:34:56.789", &id, "", "", "", "", "", "", "client01.example"];
        let head: String =
            labels.iter().zip(values).map(|(label, value)| format!("  {label}: {value}\n")).collect();
        format!("Event[0]:\n{head}  {}: \n{message}\n", labels[11])
    };
    let english = ["Log Name", "Source", "Date", "Event ID", "Task", "Level", "Opcode", "Keyword", "User"];
    let english = [&english[..], &["User Name", "Computer", "Description"]].concat();
    let german = ["Protokollname", "Quelle", "Datum", "Ereignis-ID", "Aufgabe", "Ebene", "Opcode"];
    let german = [&german[..], &["Wort", "Benutzer", "Name", "Computer", "Beschreibung"]].concat();
    let wevtutil = text(&english, 12288, &format!("The client has sent a request.\nInfo:\n{REQUESTED}"));
    let row = |id: u32, message: &str| {
        format!(
            "Information,5/1/2024 12:34:56 PM,{SPP},{id},None,\"Info:\n{}\"\n",
            message.replace('"', "\"\"")
        )
    };
    let table = format!("{VIEWER}\n{}{}", row(12288, REQUESTED), row(12289, PROCESSED));
    let element = |id: u32, values: &[&str]| {
        let values: String = values.iter().map(|value| format!("<Data>{value}</Data>")).collect();
        format!(
            "<Event xmlns='x'><System><Provider Name='{SPP}' Guid='{{e23b33b0-c8c9-472c-a5f9-f2bdfea0f156}}'/>\
            <EventID Qualifiers='16384'>{id}</EventID><TimeCreated SystemTime='2024-05-01T12:34:56.789Z'/>\
            <Computer>c</Computer></System><EventData>{values}</EventData></Event>\n"
        )
    };
    let answered: Vec<&str> = ["0"].into_iter().chain(ANSWERED.split(',')).collect();
    let xml = [element(12288, &[REQUESTED]), element(12290, &answered)].concat();
    let list = format!(
        "\n\nTimeCreated  : 5/1/2024 12:34:56 PM\nProviderName : {SPP}\nId           : 12289\nMessage      : Info:\n{:15}{PROCESSED}\n\n\
        TimeCreated  : 01.05.2024 12:34:56\nProviderName : {SPP}\nId           : 12294\nMessage      : (KMS) 'corp.example'\n\n",
        ""
    );
    let dn = "CN=Windows,CN=Activation Objects,CN=Microsoft SPP,DC=corp,DC=example";
    let sku = "68531fb9-5511-4989-97be-d11a0f55633f";
    let utf_16 = |charset| Encoding { charset, has_bom: true }.encode(&table);
    let log = include_bytes!("../../captures/events/events.evtx");
    vec![
        ("wevtutil", wevtutil.clone().into_bytes()),
        ("wevtutil_german", text(&german, 12290, ANSWERED).into_bytes()),
        ("wevtutil_crlf", wevtutil.replace('\n', "\r\n").into_bytes()),
        ("wevtutil_directory", text(&english, 12308, &format!("Info:\n{sku}, Windows, {dn}")).into_bytes()),
        ("wevtutil_publish_failed", text(&english, 12293, "'corp.example'\n0x8007232B").into_bytes()),
        ("wevtutil_no_cmid", wevtutil.replace("36f27b39-", "").into_bytes()),
        ("copied", wevtutil.replace("Event[0]:\n", "").replace("\n  ", "\n").trim_start().as_bytes().to_vec()),
        ("table", table.clone().into_bytes()),
        ("table_tabs", table.replacen(',', "\t", 4).replace(",5/1", "\t5/1").into_bytes()),
        ("table_open_quotation", table.replacen('"', "\"\"", 1).into_bytes()),
        ("table_no_end", table.trim_end().trim_end_matches('"').as_bytes().to_vec()),
        ("table_few_columns", format!("{VIEWER}\nInformation,{SPP}\n{}", row(12289, PROCESSED)).into_bytes()),
        ("table_utf_16_be", utf_16(Charset::Utf16Be)),
        ("table_utf_16_le", utf_16(Charset::Utf16Le)),
        (
            "export",
            format!("#TYPE EventLogRecord\n\"Message\",\"Id\",\"ProviderName\"\n\"{PROCESSED}\",\"12289\",\"{SPP}\"\n")
                .into_bytes(),
        ),
        ("list", list.into_bytes()),
        ("xml", xml.clone().into_bytes()),
        ("xml_root", format!("<?xml version=\"1.0\"?><Events>{}</Events>", xml.replace('\n', "")).into_bytes()),
        ("xml_no_end", xml.replacen("</Event>", "", 1).into_bytes()),
        ("xml_mismatch", xml.replacen("</Data>", "</System>", 1).into_bytes()),
        ("log", log[..4096 + 512 + 4000].to_vec()),
        ("log_cut", log[..512].to_vec()),
    ]
}
