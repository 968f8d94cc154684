#!/usr/bin/env python3
"""Writes the files of captures/events: the same events in every form that volact reads.

    python3 captures/events/make/make.py

Nothing here was written by Windows: the messages are those that Microsoft documents, the layout of a log is that of
[MS-EVEN6] 2.2 (BinXml) and of libevtx's notes on the format. The requests and answers are those of two captures
beside it, vlmcs_vlmcsd_v6_default.pcap and vlmcs_vlmcsd_err_timeskew_c1.pcap, so that they can be joined with them.
"""

import datetime
import pathlib
import struct
import uuid
import zlib
from xml.sax.saxutils import escape

FOLDER = pathlib.Path(__file__).parent.parent
SPP = "Microsoft-Windows-Security-SPP"
SPP_ID = "e23b33b0-c8c9-472c-a5f9-f2bdfea0f156"
ACT_ID = "8de8eb62-bbe0-40ac-ac17-f75595071ea3"
CLIENT, HOST = "client01.example", "host01.example"

SENT = "The client has sent an activation request to the key management service machine.\nInfo:\n%s"
GOT = "The client has processed an activation response from the key management service machine.\nInfo:\n%s"
ANSWERED = "An activation request has been processed.\nInfo:\n%s"


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=datetime.timezone.utc)


def sent(time, hresult, host, cmid, minute, n_policy="5"):
    values = f"{hresult}, 0x00000000, {host}, {cmid}, {minute}, 0, 2, 43200, {ACT_ID}, {n_policy}"
    return (utc(time), 12288, SPP, CLIENT, [values], SENT % values)


def got(time, count, minute):
    values = f"0x00000000, 0x00000000, 1, 0, {count}, 120, 10080, {minute}"
    return (utc(time), 12289, SPP, CLIENT, [values], GOT % values)


def answered(time, hresult, client, cmid, minute):
    values = [hresult, "5", client, cmid, minute, "0", "2", "43200", ACT_ID]
    return (utc(time), 12290, SPP, HOST, ["0", *values], ANSWERED % ",".join(values))


# Time, id, provider, computer, values, message.
EVENTS = [
    (
        utc("2026-11-21 20:40:00.000"), 1, "volact-synthetic", CLIENT, [],
        "This file is synthetic: it was made by captures/events/make/make.py.",
    ),
    # The exchanges of vlmcs_vlmcsd_v6_default.pcap.
    sent("2026-11-21 20:42:33.305", "0x00000000", "kms.example:1688", "9f2b91e5-54a5-44a0-b30f-6807721e865c",
         "2026/11/21 20:42"),
    got("2026-11-21 20:42:33.306", 10, "2026/11/21 20:42"),
    answered("2026-11-21 20:42:33.304", "0x0", "kms.facebook.info", "9f2b91e5-54a5-44a0-b30f-6807721e865c",
             "2026/11/21 20:42"),
    sent("2026-11-21 20:42:33.307", "0x00000000", "kms.example:1688", "361f772a-2236-4b88-b2ce-5f62d6effdf8",
         "2026/11/21 20:42"),
    got("2026-11-21 20:42:33.308", 10, "2026/11/21 20:42"),
    (
        utc("2026-11-21 20:42:40.000"), 1003, SPP, CLIENT, ["55c92734-d682-4d71-983e-d6ec3f16059f"],
        "The Software Protection service has completed licensing status check.",
    ),
    # The first exchange of vlmcs_vlmcsd_err_timeskew_c1.pcap.
    sent("2026-11-21 20:43:01.155", "0xC004F06C", "kms.example:1688", "480cd271-fa78-4058-a329-c1c961d76a5a",
         "2026/11/21 15:43"),
    # No traffic: the host was not reached. N-Policy is empty.
    sent("2026-11-21 20:50:12.000", "0x800706BA", "kms2.example:1688", "5e7a1c02-0000-4000-8000-00000000c1d1",
         "2026/11/21 20:50", ""),
    (
        utc("2026-11-21 20:51:00.000"), 12293, SPP, HOST, ["0x8007232B", "corp.example"],
        "Publishing the Key Management Service (KMS) to DNS in the 'corp.example' domain failed.\nInfo:\n0x8007232B",
    ),
    (
        utc("2026-11-21 20:52:00.000"), 12294, SPP, HOST, ["corp.example"],
        "Publishing the Key Management Service (KMS) to DNS in the 'corp.example' domain is successful.",
    ),
    (
        utc("2026-11-21 20:53:00.000"), 12308, SPP, CLIENT,
        [ACT_ID, "Windows", "CN=Windows,CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,"
         "DC=corp,DC=example"],
        f"The client was activated by the directory.\nInfo:\n{ACT_ID}, Windows, CN=Windows,CN=Activation Objects,"
        "CN=Microsoft SPP,CN=Services,CN=Configuration,DC=corp,DC=example",
    ),
    (
        utc("2026-11-21 20:54:00.000"), 12309, SPP, CLIENT, ["0xC004FD01"],
        "AVMA: the guest was not activated.\nInfo:\n0xC004FD01",
    ),
    (
        utc("2026-11-21 20:55:00.000"), 12289, "VSS", CLIENT, ["a routine"],
        "Volume Shadow Copy Service error: a routine, with an id that another provider has as well.",
    ),
]

# The machine that exports is an hour ahead of UTC.
LOCAL = datetime.timezone(datetime.timedelta(hours=1))


def level(event):
    return "Error" if event[2] == "VSS" or event[1] == 12293 else "Information"


def us_time(time):
    local = time.astimezone(LOCAL)
    hour = local.hour % 12 or 12
    half = "PM" if local.hour >= 12 else "AM"
    return f"{local.month}/{local.day}/{local.year} {hour}:{local:%M:%S} {half}"


def filetime(time):
    return ((time - datetime.datetime(1601, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)) * 10


def iso(time):
    return f"{time.astimezone(LOCAL):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}"


def wevtutil_text(labels):
    """What `wevtutil qe Application /f:text` writes; the labels are those of the system's language."""
    out = []
    for number, event in enumerate(EVENTS):
        time, id_, provider, computer, _, message = event
        values = ["Application", provider, iso(time), id_, "N/A", level(event), "N/A", "Classic", "N/A", "N/A",
                  computer]
        head = [f"  {label}: {value}" for label, value in zip(labels, values)]
        out += [f"Event[{number}]:", *head, f"  {labels[-1]}: ", *message.split("\n"), ""]
    return "\n".join(out) + "\n"


ENGLISH = ["Log Name", "Source", "Date", "Event ID", "Task", "Level", "Opcode", "Keyword", "User", "User Name",
           "Computer", "Description"]
GERMAN = ["Protokollname", "Quelle", "Datum", "Ereignis-ID", "Aufgabe", "Ebene", "Opcode", "Schlüsselwort",
          "Benutzer", "Benutzername", "Computer", "Beschreibung"]


def copied(labels):
    """What the Event Viewer's "Copy details as text" puts on the clipboard."""
    out = []
    for event in EVENTS:
        time, id_, provider, computer, _, message = event
        date = f"{time.astimezone(LOCAL):%d.%m.%Y %H:%M:%S}"
        values = ["Application", provider, date, id_, "Keine", "Informationen", "Klassisch", "Nicht zutreffend",
                  computer]
        out += [f"{label + ':':<24}{value}" for label, value in zip(labels, values)]
        out += [f"{labels[-1]}:", *message.split("\n"), "Ereignis-XML:", *element(event, 7).split("\n"), ""]
    return "\n".join(out)


COPIED = ["Protokollname", "Quelle", "Datum", "Ereignis-ID", "Aufgabenkategorie", "Ebene", "Schlüsselwörter",
          "Benutzer", "Computer", "Beschreibung"]


def quoted(text, delimiter):
    text = str(text)
    if any(c in text for c in f'"\n{delimiter}'):
        return '"' + text.replace('"', '""') + '"'
    return text


def viewer_table(delimiter, header):
    """What the Event Viewer's "Save All Events As" writes, as CSV and as text: the message has no name."""
    rows = [delimiter.join(header)]
    for event in EVENTS:
        time, id_, provider, _, _, message = event
        row = [level(event), us_time(time), provider, id_, "None", message]
        rows.append(delimiter.join(quoted(value, delimiter) for value in row))
    return "\r\n".join(rows).replace("\r\n", "\n") + "\n"


def export_csv():
    """What `Get-WinEvent | Export-Csv` of PowerShell 5 writes."""
    header = ["Message", "Id", "Version", "Level", "ProviderName", "ProviderId", "LogName", "MachineName",
              "TimeCreated", "LevelDisplayName"]
    rows = ["#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord", ",".join(f'"{name}"' for name in header)]
    for event in EVENTS:
        time, id_, provider, computer, _, message = event
        provider_id = SPP_ID if provider == SPP else ""
        row = [message, id_, 0, 4, provider, provider_id, "Application", computer, us_time(time), level(event)]
        rows.append(",".join('"' + str(value).replace('"', '""') + '"' for value in row))
    return "\n".join(rows) + "\n"


def format_list():
    """What `Get-WinEvent | Format-List` writes into a file, lines of 120 characters."""
    out = [""]
    for event in EVENTS:
        time, id_, provider, computer, _, message = event
        out.append("")
        for name, value in [("TimeCreated", us_time(time)), ("ProviderName", provider), ("Id", id_),
                            ("Message", message), ("MachineName", computer)]:
            lines = [part for line in str(value).split("\n") for part in wrapped(line, 105)]
            out.append(f"{name:<12} : {lines[0]}")
            out += [" " * 15 + line for line in lines[1:]]
    return "\n".join(out) + "\n\n\n"


def wrapped(line, width):
    parts, part = [], ""
    for word in line.split(" "):
        if part and len(part) + 1 + len(word) > width:
            parts.append(part)
            part = word
        else:
            part = f"{part} {word}" if part else word
    return [*parts, part]


def element(event, number):
    time, id_, provider, computer, values, _ = event
    guid = f" Guid='{{{SPP_ID}}}'" if provider == SPP else ""
    data = "".join(f"<Data>{escape(value)}</Data>" for value in values)
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='{provider}'{guid} EventSourceName='Software Protection Platform Service'/>"
        f"<EventID Qualifiers='16384'>{id_}</EventID><Version>0</Version><Level>4</Level><Task>0</Task>"
        "<Opcode>0</Opcode><Keywords>0x80000000000000</Keywords>"
        f"<TimeCreated SystemTime='{time:%Y-%m-%dT%H:%M:%S.%f}00Z'/><EventRecordID>{number}</EventRecordID>"
        "<Correlation/><Execution ProcessID='0' ThreadID='0'/><Channel>Application</Channel>"
        f"<Computer>{computer}</Computer><Security/></System><EventData>{data}</EventData></Event>"
    )


def wevtutil_xml():
    return "".join(element(event, number) + "\n" for number, event in enumerate(EVENTS, FIRST))


def viewer_xml():
    return ('<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<Events>'
            + "".join(element(event, number) for number, event in enumerate(EVENTS, FIRST)) + "</Events>")


FIRST = 501


class Chunk:
    """A chunk of a log. Names and templates are written where they are first used, and pointed to from then on."""

    def __init__(self):
        self.data = bytearray(512)
        self.names, self.buckets = {}, [0] * 64
        self.template, self.template_id = None, 0x53595354
        self.records = []

    def name(self, out, base, text):
        """A pointer to a name, and the name behind it where there is none yet."""
        if text in self.names:
            out += struct.pack("<I", self.names[text])
            return
        units = text.encode("utf-16-le")
        digest = 0
        for unit in struct.unpack(f"<{len(text)}H", units):
            digest = (digest * 65599 + unit) & 0xFFFFFFFF
        offset = base + len(out) + 4
        bucket = digest % 64
        out += struct.pack("<I", offset)
        out += struct.pack("<IHH", self.buckets[bucket], digest & 0xFFFF, len(text)) + units + b"\0\0"
        self.buckets[bucket] = offset
        self.names[text] = offset

    def element(self, out, base, name, attributes, content):
        out += struct.pack("<BHI", 0x41 if attributes else 0x01, 0xFFFF, 0)
        size_at = len(out) - 4
        self.name(out, base, name)
        if attributes:
            list_at = len(out)
            out += bytes(4)
            for at, (key, value) in enumerate(attributes):
                out.append(0x46 if at + 1 < len(attributes) else 0x06)
                self.name(out, base, key)
                self.value(out, base, value)
            struct.pack_into("<I", out, list_at, len(out) - list_at - 4)
        if content is None:
            out.append(0x03)
        else:
            out.append(0x02)
            for part in content:
                if isinstance(part, tuple) and len(part) == 3:
                    self.element(out, base, *part)
                else:
                    self.value(out, base, part)
            out.append(0x04)
        struct.pack_into("<I", out, size_at, len(out) - size_at - 4)

    @staticmethod
    def value(out, _base, value):
        """A text, or the number and type of the value that is to be put there."""
        if isinstance(value, str):
            out += struct.pack("<BBH", 0x05, 0x01, len(value)) + value.encode("utf-16-le")
        else:
            out += struct.pack("<BHB", 0x0E, *value)

    def definition(self, base):
        """The template's elements; `base` is where they stand in the chunk."""
        out = bytearray(b"\x0f\x01\x01\x00")
        system = [
            ("Provider", [("Name", (0, STRING)), ("Guid", (1, GUID)),
                          ("EventSourceName", "Software Protection Platform Service")], None),
            ("EventID", [("Qualifiers", (2, UINT16))], [(3, UINT16)]),
            ("Version", [], ["0"]), ("Level", [], ["4"]), ("Task", [], ["0"]), ("Opcode", [], ["0"]),
            ("Keywords", [], ["0x80000000000000"]),
            ("TimeCreated", [("SystemTime", (4, FILETIME))], None),
            ("EventRecordID", [], [(5, UINT64)]),
            ("Correlation", [], None), ("Execution", [("ProcessID", "0"), ("ThreadID", "0")], None),
            ("Channel", [], ["Application"]), ("Computer", [], [(6, STRING)]), ("Security", [], None),
        ]
        xmlns = [("xmlns", "http://schemas.microsoft.com/win/2004/08/events/event")]
        data = ("EventData", [], [("Data", [], [(7, STRINGS)])])
        self.element(out, base, "Event", xmlns, [("System", [], system), data])
        return out + b"\0"

    def record(self, number, event):
        time, id_, provider, computer, values, _ = event
        start = len(self.data)
        out = bytearray(struct.pack("<4sIQQ", b"**\0\0", 0, number, filetime(time)))
        out += b"\x0f\x01\x01\x00"
        out += struct.pack("<BBI", 0x0C, 1, self.template_id)
        if self.template is None:
            self.template = start + len(out) + 4
            out += struct.pack("<I", self.template)
            head = start + len(out) + 24
            elements = self.definition(head)
            identity = uuid.UUID(int=self.template_id << 96).bytes_le
            out += struct.pack("<I16sI", 0, identity, len(elements)) + elements
        else:
            out += struct.pack("<I", self.template)
        guid = (GUID, uuid.UUID(SPP_ID).bytes_le) if provider == SPP else (NULL, b"")
        substitutions = [
            (STRING, provider.encode("utf-16-le")),
            guid,
            (UINT16, struct.pack("<H", 16384)),
            (UINT16, struct.pack("<H", id_)),
            (FILETIME, struct.pack("<Q", filetime(time))),
            (UINT64, struct.pack("<Q", number)),
            (STRING, computer.encode("utf-16-le")),
            (STRINGS, b"".join(value.encode("utf-16-le") + b"\0\0" for value in values)),
        ]
        out += struct.pack("<I", len(substitutions))
        out += b"".join(struct.pack("<HBB", len(data), kind, 0) for kind, data in substitutions)
        out += b"".join(data for _, data in substitutions)
        out += bytes(-(len(out) + 4) % 8)
        out += struct.pack("<I", len(out) + 4)
        struct.pack_into("<I", out, 4, len(out))
        self.records.append((number, start))
        self.data += out

    def finish(self):
        (first, _), (last, last_at) = self.records[0], self.records[-1]
        free = len(self.data)
        self.data += bytes(65536 - free)
        struct.pack_into("<8sQQQQIIII", self.data, 0, b"ElfChnk\0", first, last, first, last, 128, last_at, free,
                         zlib.crc32(self.data[512:free]))
        struct.pack_into("<64I", self.data, 128, *self.buckets)
        struct.pack_into("<I", self.data, 384 + 4 * (self.template_id % 32), self.template)
        struct.pack_into("<I", self.data, 124, zlib.crc32(self.data[:120] + self.data[128:512]))
        return bytes(self.data)


NULL, STRING, UINT16, UINT64, GUID, FILETIME, STRINGS = 0x00, 0x01, 0x06, 0x0A, 0x0F, 0x11, 0x81


def log():
    """A log of one chunk."""
    chunk = Chunk()
    for number, event in enumerate(EVENTS, FIRST):
        chunk.record(number, event)
    header = bytearray(4096)
    struct.pack_into("<8sQQQIHHHH", header, 0, b"ElfFile\0", 0, 0, FIRST + len(EVENTS), 128, 1, 3, 4096, 1)
    struct.pack_into("<I", header, 124, zlib.crc32(header[:120]))
    return bytes(header) + chunk.finish()


def write(name, text, encoding):
    text = text.replace("\n", "\r\n")
    (FOLDER / name).write_bytes(text.encode(encoding))


def main():
    write("events_wevtutil.txt", wevtutil_text(ENGLISH), "utf-8")
    write("events_wevtutil_german.txt", wevtutil_text(GERMAN), "utf-8-sig")
    write("events_copied_german.txt", copied(COPIED), "utf-8")
    write("events_viewer.txt", viewer_table("\t", ["Level", "Date and Time", "Source", "Event ID", "Task Category"]),
          "utf-16")
    write("events_viewer.csv", viewer_table(",", ["Level", "Date and Time", "Source", "Event ID", "Task Category"]),
          "utf-8-sig")
    write("events_viewer_german.csv",
          viewer_table(",", ["Ebene", "Datum und Uhrzeit", "Quelle", "Ereignis-ID", "Aufgabenkategorie"]), "utf-8-sig")
    write("events_export.csv", export_csv(), "utf-8")
    write("events_list.txt", format_list(), "utf-16")
    write("events_wevtutil.xml", wevtutil_xml(), "utf-8")
    write("events_viewer.xml", viewer_xml(), "utf-8")
    (FOLDER / "events.evtx").write_bytes(log())


if __name__ == "__main__":
    main()
