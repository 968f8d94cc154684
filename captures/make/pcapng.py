"""Writes pcapng files; takes out of one what tells of the machine, and puts in what tells that it is synthetic."""

import struct

SECTION, INTERFACE, NAMES, PACKET = 0x0A0D0D0A, 1, 4, 6
COMMENT, END = 1, 0
INTERFACE_NAME, RESOLUTION = 2, 9


def label(data, comment):
    """The same packets; of the section's and interfaces' options only the comment, `lo` and the clock's resolution."""
    out, at = b"", 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + length - 4]
        if kind == SECTION:
            if body[:4] != b"\x4d\x3c\x2b\x1a":
                raise ValueError("not a little-endian section")
            # The section's length is left unknown, as options were taken out.
            body = body[:8] + b"\xff" * 8 + options([(COMMENT, comment.encode())])
        elif kind == INTERFACE:
            kept = [(code, value) for code, value in read_options(body[8:]) if code in (INTERFACE_NAME, RESOLUTION)]
            body = body[:8] + options(kept)
        elif kind == NAMES:
            raise ValueError("a block of resolved names")
        out += block(kind, body)
        at += length
    return out


def written(name, link_type, packets):
    """A file of one interface; packets are pairs of a time in nanoseconds and bytes."""
    out = block(SECTION, struct.pack("<I2Hq", 0x1A2B3C4D, 1, 0, -1))
    named = options([(INTERFACE_NAME, name.encode()), (RESOLUTION, b"\x09")])
    out += block(INTERFACE, struct.pack("<2HI", link_type, 0, 0) + named)
    for at, data in packets:
        head = struct.pack("<5I", 0, at >> 32, at & 0xFFFFFFFF, len(data), len(data))
        out += block(PACKET, head + data + b"\0" * (-len(data) % 4))
    return out


def retimed(data, later):
    """The same packets at other times: `later` is by how many nanoseconds each moves, given its time in nanoseconds."""
    out, at = b"", 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + length - 4]
        if kind == INTERFACE and (RESOLUTION, b"\x09") not in read_options(body[8:]):
            raise ValueError("a clock that does not count nanoseconds")
        if kind == PACKET:
            interface, high, low = struct.unpack_from("<3I", body)
            time = high << 32 | low
            time += later(time)
            body = struct.pack("<3I", interface, time >> 32, time & 0xFFFFFFFF) + body[12:]
        out += block(kind, body)
        at += length
    return out


def block(kind, body):
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def read_options(data):
    at, found = 0, []
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == END:
            break
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + (length + 3) // 4 * 4
    return found


def options(pairs):
    out = b""
    for code, value in pairs:
        out += struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
    return out + struct.pack("<HH", END, 0)
