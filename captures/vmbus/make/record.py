#!/usr/bin/env python3
"""Writes the VMBus recordings of this folder, and beside them what is in them, field by field.

It follows the offsets of the specification with `struct` alone, and has no code of the project in it. Nothing here was
recorded of a real machine: the payloads in the AVMA channel are made up, because what really travels there is not public.

    python3 captures/vmbus/make/record.py captures/vmbus
"""

import hashlib
import json
import struct
import sys
import uuid
from pathlib import Path

GUEST, HOST = 0, 1
CONTROL, PACKET = 1, 2
BYTE, MESSAGE, NO_PIPE = 0, 4, 0xFF
NO_OFFSET = 0xFFFFFFFF
NIL = "00000000-0000-0000-0000-000000000000"
AVMA = ("3375baf4-9e15-4b30-b765-67acb10d607b", "4487b255-b88c-403f-bb51-d1f69cf17f87")
RDP = ("f8e65716-3cb3-4a06-9a60-1889c5cccab5", "99221fa0-24ad-11e2-be98-001aa01bbf6e")
RDP_DATA = ("f9e9c0d3-b511-4a48-8046-d38079a8830c", "11111111-2222-4333-8444-555555555555")
KVP = ("a9a0f4e7-5a45-4d96-b827-8a841e8c03e6", "242ff919-07db-4180-9c2e-b86cb68c8c55")
OTHER = ("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f", "66666666-7777-4888-9999-aaaaaaaaaaaa")
NOBODY = (NIL, NIL)
START = 1_704_067_200_000_000_000  # 2024-01-01, in nanoseconds


def guid(text):
    return uuid.UUID(text).bytes_le


# --- the file -------------------------------------------------------------------------------------------------------


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind, body):
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


class Capture:
    """A pcapng file of one interface, and its truth."""

    def __init__(self, name, what, link=147):
        self.name, self.link = name, link
        comment = f"made by captures/vmbus/make/record.py, not recorded: {what}".encode()
        end = option(0, b"")
        self.blocks = [
            block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + option(1, comment) + end),
            block(1, struct.pack("<HHI", link, 0, 0) + option(2, b"vmbus") + option(9, b"\x09") + end),
        ]
        self.records, self.exchanges, self.channels = [], [], []

    def raw(self, data, truth):
        frame = len(self.records) + 1
        time = START + frame * 1_000_000
        head = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(data), len(data))
        self.blocks.append(block(6, head + data + bytes(-len(data) % 4)))
        self.records.append({"frame": frame, "time": time, **truth})
        return frame

    def record(self, direction, kind, channel, guids, data, pipe_type=NO_PIPE, offset=NO_OFFSET, **truth):
        head = struct.pack("<4sBBBBII", b"VMBS", 1, direction, kind, pipe_type, channel, offset)
        header = {
            "direction": ["guest_to_host", "host_to_guest"][direction],
            "kind": ["", "control", "ring_packet"][kind],
            "pipe_type": pipe_type,
            "channel_id": channel,
            "ring_offset": offset,
            "class_id": guids[0],
            "instance_id": guids[1],
            "length": len(data),
        }
        return self.raw(head + guid(guids[0]) + guid(guids[1]) + data, {"record": header, **truth})

    def write(self, folder):
        (folder / f"{self.name}.pcapng").write_bytes(b"".join(self.blocks))
        truth = {
            "file": f"{self.name}.pcapng",
            "link": self.link,
            "records": self.records,
            "exchanges": self.exchanges,
            "channels": self.channels,
        }
        write_truth(folder, self.name, truth)


def write_truth(folder, name, truth):
    (folder / "truth" / f"{name}.json").write_text(json.dumps(truth, indent=1) + "\n")


# --- control messages -----------------------------------------------------------------------------------------------

# Fields behind type and padding: a format of struct, "g" for a GUID, a number for so many bytes, "q*" for the rest.
LAYOUTS = {
    "offer_channel": (1, "class_id:g instance_id:g reserved:16 flags:H mmio_megabytes:H user_data:120 subchannel_index:H "
                         "mmio_megabytes_optional:H channel_id:I monitor_id:B monitor_allocated:B is_dedicated:H "
                         "connection_id:I"),
    "rescind_channel_offer": (2, "channel_id:I"),
    "request_offers": (3, ""),
    "all_offers_delivered": (4, ""),
    "open_channel": (5, "channel_id:I open_id:I ring_gpadl_id:I target_vp:I downstream_page_offset:I user_data:120 "
                        "connection_id:I? event_flag:H? flags:H?"),
    "open_channel_result": (6, "channel_id:I open_id:I status:I"),
    "close_channel": (7, "channel_id:I"),
    "gpadl_header": (8, "channel_id:I gpadl_id:I byte_length:H range_count:H values:q*"),
    "gpadl_body": (9, "number:I gpadl_id:I values:q*"),
    "gpadl_created": (10, "channel_id:I gpadl_id:I status:I"),
    "gpadl_teardown": (11, "channel_id:I gpadl_id:I"),
    "gpadl_torndown": (12, "gpadl_id:I"),
    "rel_id_released": (13, "channel_id:I"),
    "initiate_contact": (14, "version:I target_vp:I interrupt_page_or_target_info:Q parent_to_child_monitor_page:Q "
                             "child_to_parent_monitor_page:Q client_id:g?"),
    "version_response": (15, "version_supported:B connection_state:B padding:H version_or_connection_id:I "
                             "supported_features:I? reserved:I? parent_to_child:Q? child_to_parent:Q?"),
    "unload": (16, ""),
    "unload_complete": (17, ""),
    "open_reserved_channel": (18, "channel_id:I target_vp:I target_sint:I ring_gpadl_id:I downstream_page_offset:I"),
    "close_reserved_channel": (19, "channel_id:I target_vp:I target_sint:I"),
    "close_reserved_response": (20, "channel_id:I"),
    "tl_connect_request": (21, "endpoint_id:g service_id:g silo_id:g?"),
    "modify_channel": (22, "channel_id:I target_vp:I"),
    "tl_connect_result": (23, "endpoint_id:g service_id:g status:I"),
    "modify_channel_response": (24, "channel_id:I status:I"),
    "modify_connection": (25, "parent_to_child_monitor_page:Q child_to_parent_monitor_page:Q"),
    "modify_connection_response": (26, "connection_state:B"),
    "pause": (27, ""),
    "pause_response": (28, ""),
    "resume": (29, ""),
}


def control(name, excess=b"", padding=0, **values):
    """The bytes of a control message, and its truth."""
    number, layout = LAYOUTS[name]
    out = struct.pack("<II", number, padding)
    fields = {}
    for item in layout.split():
        field, form = item.split(":")
        value = values.get(field)
        if form.endswith("?") and value is None:
            fields[field] = None
            continue
        form = form.rstrip("?")
        if form == "g":
            value = value or NIL
            out += guid(value)
            fields[field] = value
        elif form.isdigit():
            value = (value or b"").ljust(int(form), b"\0")
            out += value
            fields[field] = value.hex()
        elif form == "q*":
            out += struct.pack(f"<{len(value)}Q", *value)
            fields[field] = value
        else:
            out += struct.pack("<" + form, value or 0)
            fields[field] = value or 0
    return out + excess, {
        "type": number, "name": name, "padding": padding, "fields": fields, "excess": excess.hex(), "error": None,
    }


def offer(guids, channel, pipe=MESSAGE, flags=0x11, index=0, **more):
    """An offer; of a pipe with its type at the beginning of the user data and its flags at the end."""
    user = struct.pack("<I112sI", pipe, b"", 0) if flags & 0x10 else b""
    values = {"monitor_id": 3, "monitor_allocated": 1, "is_dedicated": 1, "connection_id": 0x1000 + channel}
    values.update(more)
    return control("offer_channel", class_id=guids[0], instance_id=guids[1], flags=flags, user_data=user,
                   channel_id=channel, subchannel_index=index, **values)


def says(capture, direction, message, channel=0, guids=NOBODY):
    data, truth = message
    return capture.record(direction, CONTROL, channel, guids, data, control=truth)


# --- packets ----------------------------------------------------------------------------------------------------------


def pipe(data, kind=1, length=None):
    return struct.pack("<II", kind, len(data) if length is None else length) + data


def packet(payload, transaction=0, kind=6, flags=0, extended=b"", offset=None):
    """A packet from its descriptor on, with a footer where its offset in a ring is known."""
    payload = payload + bytes(-len(payload) % 8)
    extended = extended + bytes(-len(extended) % 8)
    begin = 16 + len(extended)
    out = struct.pack("<HHHHQ", kind, begin // 8, (begin + len(payload)) // 8, flags, transaction) + extended + payload
    footer = None if offset is None else {"reserved": 0, "offset": offset}
    if footer:
        out += struct.pack("<II", 0, offset)
    return out, {
        "type": kind, "data_offset8": begin // 8, "length8": (begin + len(payload)) // 8, "flags": flags,
        "transaction_id": transaction, "extended": extended.hex(), "payload": payload.hex(), "footer": footer,
        "error": None,
    }


def sends(capture, direction, channel, guids, made, mode=MESSAGE, offset=NO_OFFSET, data=None):
    """A packet as a record; `data` is that of its pipe header, where it has one."""
    out, truth = made
    return capture.record(direction, PACKET, channel, guids, out, mode, offset, packet=truth,
                          pipe=None if data is None else data.hex())


def opaque(data):
    return {"opaque": {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "first": data[:16].hex()}}


def message(direction, first, last, transaction, packets, content, length):
    return {
        "direction": ["guest_to_host", "host_to_guest"][direction], "first": first, "last": last,
        "transaction_id": transaction, "packets": packets, "length": length, **content,
    }


def exchange(capture, channel, name, protocol, request, response, pairing):
    capture.exchanges.append({
        "channel_id": channel, "class": name, "protocol": protocol, "request": request, "response": response,
        "pairing": pairing,
    })


def channel(capture, number, name, guids, mode, source, states, sent, received, gpadls=(), flags=None, index=0):
    keys = ("packets", "bytes", "messages", "ends", "gpa_direct")
    capture.channels.append({
        "channel_id": number, "class": name, "class_id": guids[0], "instance_id": guids[1], "flags": flags,
        "subchannel_index": index, "pipe_mode": mode, "mode_source": source, "states": states,
        "sent": dict(zip(keys, sent)), "received": dict(zip(keys, received)), "gpadls": list(gpadls),
    })


# --- the recordings -----------------------------------------------------------------------------------------------------


def every_control_message(folder):
    capture = Capture("vmbus_control", "every type of control message, older and newer forms")
    a, b, c = AVMA[0], AVMA[1], RDP[0]
    page = 0xFFFF_F000
    messages = [
        (GUEST, control("initiate_contact", version=0x00040001, target_vp=1, interrupt_page_or_target_info=0x1122334455667788,
                        parent_to_child_monitor_page=page, child_to_parent_monitor_page=page + 4096)),
        (HOST, control("version_response", version_supported=0)),
        (GUEST, control("initiate_contact", version=0x00060000, target_vp=0, interrupt_page_or_target_info=0x1F_0000_0002,
                        parent_to_child_monitor_page=1, child_to_parent_monitor_page=2, client_id=c)),
        (HOST, control("version_response", version_supported=1, connection_state=2, padding=0x55AA, version_or_connection_id=4,
                       supported_features=0x1F)),
        (HOST, control("version_response", version_supported=1, version_or_connection_id=4, supported_features=0x3F,
                       reserved=9, parent_to_child=page, child_to_parent=page + 4096)),
        (GUEST, control("request_offers")),
        (HOST, offer(AVMA, 5)),
        (HOST, offer(KVP, 6, flags=0x201F, reserved=bytes(range(16)), mmio_megabytes=64, mmio_megabytes_optional=32, index=3)),
        (HOST, offer(OTHER, 7, flags=0)),
        (HOST, control("all_offers_delivered")),
        (GUEST, control("open_channel", channel_id=5, open_id=50, ring_gpadl_id=0xE1E10, target_vp=1, downstream_page_offset=2,
                        user_data=b"test user data")),
        (GUEST, control("open_channel", channel_id=6, open_id=60, ring_gpadl_id=0xE1E11, target_vp=2, downstream_page_offset=4,
                        connection_id=0x2006, event_flag=6, flags=1)),
        (HOST, control("open_channel_result", channel_id=5, open_id=50, status=0)),
        (HOST, control("open_channel_result", channel_id=6, open_id=60, status=0xC0000001)),
        (GUEST, control("close_channel", channel_id=5)),
        (GUEST, control("gpadl_header", channel_id=7, gpadl_id=0xE1E12, byte_length=16, range_count=1, values=[4096, 0x1000])),
        (GUEST, control("gpadl_header", channel_id=7, gpadl_id=0xE1E13, byte_length=240, range_count=1,
                        values=[29 * 4096] + list(range(0x2000, 0x2000 + 25)))),
        (GUEST, control("gpadl_body", number=1, gpadl_id=0xE1E13, values=list(range(0x3000, 0x3000 + 4)))),
        (HOST, control("gpadl_created", channel_id=7, gpadl_id=0xE1E13, status=0)),
        (GUEST, control("gpadl_teardown", channel_id=7, gpadl_id=0xE1E13)),
        (HOST, control("gpadl_torndown", gpadl_id=0xE1E13)),
        (HOST, control("rescind_channel_offer", channel_id=7)),
        (GUEST, control("rel_id_released", channel_id=7)),
        (GUEST, control("open_reserved_channel", channel_id=30, target_vp=1, target_sint=2, ring_gpadl_id=3,
                        downstream_page_offset=4)),
        (GUEST, control("close_reserved_channel", channel_id=30, target_vp=1, target_sint=2)),
        (HOST, control("close_reserved_response", channel_id=30)),
        (GUEST, control("tl_connect_request", endpoint_id=a, service_id=b)),
        (GUEST, control("tl_connect_request", endpoint_id=a, service_id=b, silo_id=c)),
        (HOST, control("tl_connect_result", endpoint_id=a, service_id=b, status=0xC0000236)),
        (GUEST, control("modify_channel", channel_id=6, target_vp=3)),
        (HOST, control("modify_channel_response", channel_id=6, status=0)),
        (GUEST, control("modify_connection", parent_to_child_monitor_page=page, child_to_parent_monitor_page=page + 4096)),
        (HOST, control("modify_connection_response", connection_state=0)),
        (GUEST, control("pause")),
        (HOST, control("pause_response")),
        (GUEST, control("resume")),
        (GUEST, control("unload")),
        (HOST, control("unload_complete")),
        # Bytes behind the body, and padding that is not 0.
        (HOST, control("all_offers_delivered", excess=b"\x07", padding=0xDEADBEEF)),
        (GUEST, control("open_channel", excess=b"\x01\x02\x03\x04\x05\x06\x07", channel_id=6)),
        (HOST, control("version_response", excess=b"\x01\x02\x03", version_supported=1, version_or_connection_id=0x50003)),
        (GUEST, control("gpadl_body", excess=b"\xff" * 7, number=2, gpadl_id=1, values=[1, 2])),
    ]
    for direction, made in messages:
        says(capture, direction, made)

    def broken(data, number, excess, error, name=None):
        truth = {"type": number, "name": name, "padding": 0, "fields": None, "excess": excess.hex(), "error": error}
        says(capture, HOST, (data, truth))

    head = struct.pack("<II", 77, 0)
    broken(head + b"test", 77, b"test", None)
    # One byte less than each of them takes.
    for name in LAYOUTS:
        data, truth = control(name, values=[])
        if len(data) == 8:
            continue
        forms = [item.split(":") for item in LAYOUTS[name][1].split()]
        last, form = [(field, form) for field, form in forms if not form.endswith(("?", "*"))][-1]
        size = 16 if form == "g" else int(form) if form.isdigit() else struct.calcsize("<" + form)
        body = data[8:-1]
        error = {"field": last, "offset": len(data) - size, "needed": size, "got": size - 1}
        broken(data[:-1], truth["type"], body, error, name)
    capture.write(folder)


def gpadl(number, pages, torn_down, status=0):
    return {
        "gpadl_id": number, "byte_length": 8 + 8 * pages, "range_count": 1, "bytes": 4096 * pages, "pages": pages,
        "values": 1 + pages, "status": status, "is_torn_down": torn_down, "is_complete": True,
    }


def life_of_an_avma_channel(folder):
    capture = Capture("vmbus_avma", "the life of an AVMA channel, with payloads that are made up")
    states = []

    def state(name, frame, status=None):
        states.append({"state": name, "frame": frame, "status": status})

    says(capture, GUEST, control("request_offers"))
    state("offered", says(capture, HOST, offer(AVMA, 9)))
    says(capture, HOST, offer(OTHER, 10, flags=0))
    other_offer = len(capture.records)
    says(capture, HOST, control("all_offers_delivered"))
    values = [16 * 4096] + list(range(0x8000, 0x8000 + 16))
    says(capture, GUEST, control("gpadl_header", channel_id=9, gpadl_id=0xE1E10, byte_length=136, range_count=1,
                                 values=values[:10]))
    says(capture, GUEST, control("gpadl_body", number=1, gpadl_id=0xE1E10, values=values[10:]))
    says(capture, HOST, control("gpadl_created", channel_id=9, gpadl_id=0xE1E10))
    state("opening", says(capture, GUEST, control("open_channel", channel_id=9, open_id=1, ring_gpadl_id=0xE1E10,
                                                  downstream_page_offset=8)))
    state("opened", says(capture, HOST, control("open_channel_result", channel_id=9, open_id=1)))

    def talk(direction, text, transaction, offset):
        data = text if isinstance(text, bytes) else text.encode()
        frame = sends(capture, direction, 9, AVMA, packet(pipe(data), transaction, flags=1, offset=offset), offset=offset,
                      data=data)
        return message(direction, frame, frame, transaction, 1, opaque(data), len(data))

    # Answered with the same transaction id, out of order.
    one = talk(GUEST, "test payload 1", 0x1001, 0)
    two = talk(GUEST, "test payload 2, which is longer", 0x1002, 48)
    answer_two = talk(HOST, "test payload 3", 0x1002, 0)
    exchange(capture, 9, "avma", "avma", two, answer_two, "transaction")
    answer_one = talk(HOST, "<?xml version='1.0'?><test payload='4'/>", 0x1001, 48)
    exchange(capture, 9, "avma", "avma", one, answer_one, "transaction")
    # Answered by order, without ids.
    three = talk(GUEST, "test payload 5", 0, 112)
    answer_three = talk(HOST, b"\x30\x10" + b"test payload 6, ", 0, 120)
    exchange(capture, 9, "avma", "avma", three, answer_three, "order")
    # Said by the host alone, and asked without an answer.
    alone = talk(HOST, "test payload 7", 0x1009, 168)
    exchange(capture, 9, "avma", "avma", None, alone, "none")
    asked = talk(GUEST, "test payload 8", 0x100A, 160)
    state("closed", says(capture, GUEST, control("close_channel", channel_id=9)))
    exchange(capture, 9, "avma", "avma", asked, None, "none")
    says(capture, GUEST, control("gpadl_teardown", channel_id=9, gpadl_id=0xE1E10))
    says(capture, HOST, control("gpadl_torndown", gpadl_id=0xE1E10))
    state("rescinded", says(capture, HOST, control("rescind_channel_offer", channel_id=9)))
    state("released", says(capture, GUEST, control("rel_id_released", channel_id=9)))
    state("reoffered", says(capture, HOST, offer(AVMA, 9)))
    state("opening", says(capture, GUEST, control("open_channel", channel_id=9, open_id=2)))
    state("open-failed", says(capture, HOST, control("open_channel_result", channel_id=9, open_id=2, status=0xC0000001)),
          0xC0000001)
    sent = ["test payload 1", "test payload 2, which is longer", "test payload 5", "test payload 8"]
    sent_bytes = sum(map(len, sent))
    received_bytes = len("test payload 3") + len("<?xml version='1.0'?><test payload='4'/>") + 18 + len("test payload 7")
    # The id of another device's channel goes to a second AVMA device, whose first one is still there.
    reused = says(capture, HOST, offer((AVMA[0], OTHER[1]), 10, flags=0x10))
    channel(capture, 10, "unknown", OTHER, None, None, [{"state": "offered", "frame": other_offer, "status": None}],
            (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), flags=0)
    channel(capture, 9, "avma", AVMA, "message", "offer", states, (4, sent_bytes, 4, 0, 0), (4, received_bytes, 4, 0, 0),
            [gpadl(0xE1E10, 16, True)], flags=0x11)
    channel(capture, 10, "avma", (AVMA[0], OTHER[1]), "message", "offer",
            [{"state": "offered", "frame": reused, "status": None}], (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), flags=0x10)
    capture.write(folder)


def remote_desktop(folder):
    capture = Capture("vmbus_synthrdp", "the pair of GUIDs that lists call AVMA by mistake: remote desktop control", 162)
    offered = says(capture, HOST, offer(RDP, 20))
    data_offered = says(capture, HOST, offer(RDP_DATA, 21))

    def talk(direction, data, content):
        frame = sends(capture, direction, 20, RDP, packet(pipe(data)), data=data)
        return message(direction, frame, frame, 0, 1, content, len(data))

    def rdp(kind, size, version, reserved, accepted=None, excess=b""):
        return {"synthrdp": {"kind": kind, "size": size, "version": version, "reserved": reserved, "accepted": accepted,
                             "excess": excess.hex()}}

    for version, accepted in [(0x10000, 0), (0x10001, 1)]:
        request = talk(GUEST, struct.pack("<IIII", 1, 16, version, 0), rdp(1, 16, version, 0))
        response = talk(HOST, struct.pack("<IIIIB", 2, 17, version, 7, accepted), rdp(2, 17, version, 7, accepted))
        exchange(capture, 20, "synthrdp-control", "synthrdp", request, response, "order")
    request = talk(GUEST, struct.pack("<IIII", 1, 20, 5, 0) + b"test", rdp(1, 20, 5, 0, None, b"test"))
    exchange(capture, 20, "synthrdp-control", "synthrdp", request, None, "none")
    channel(capture, 20, "synthrdp-control", RDP, "message", "offer",
            [{"state": "offered", "frame": offered, "status": None}], (3, 52, 3, 0, 0), (2, 34, 2, 0, 0), flags=0x11)
    channel(capture, 21, "synthrdp-data", RDP_DATA, "message", "offer",
            [{"state": "offered", "frame": data_offered, "status": None}], (0, 0, 0, 0, 0), (0, 0, 0, 0, 0), flags=0x11)
    capture.write(folder)


def key_value_pairs(folder):
    capture = Capture("vmbus_kvp", "key-value pairs as a guest might report its activation with; the keys are made up")
    offered = says(capture, HOST, offer(KVP, 6))
    totals = [[0, 0], [0, 0]]

    def talk(direction, kind, body, content, transaction, flags, status=0):
        head = struct.pack("<HHHHHHIBBH", 3, 0, kind, 5, 0, len(body), status, transaction & 0xFF, flags, 0)
        data = head + body
        frame = sends(capture, direction, 6, KVP, packet(pipe(data), transaction), data=data)
        ic = {"framework_version": [3, 0], "kind": kind, "message_version": [5, 0], "size": len(body), "status": status,
              "transaction": transaction & 0xFF, "flags": flags, "reserved": 0, **content}
        totals[direction][0] += 1
        totals[direction][1] += len(data)
        return message(direction, frame, frame, transaction, 1, {"ic": ic}, len(data))

    def pair(kind, key, value, shown):
        key = (key + "\0").encode("utf-16-le")
        if isinstance(value, str):
            value = (value + "\0").encode("utf-16-le")
        body = struct.pack("<III", kind, len(key), len(value)) + key.ljust(512, b"\0") + value.ljust(2048, b"\0")
        return body, {"type": kind, "key": key.decode("utf-16-le").rstrip("\0"), "value": shown}

    def ask(operation, pool, body, content, answer_body, answer_content, transaction, status=0, paired="transaction"):
        head = struct.pack("<BBH", operation, pool, 0)
        fields = {"operation": operation, "pool": pool}
        request = talk(HOST, 2, head + body, {"kvp": {**fields, **content}}, transaction, 3)
        response = talk(GUEST, 2, head + answer_body, {"kvp": {**fields, **answer_content}}, transaction, 5, status)
        exchange(capture, 6, "kvp", "kvp", request, response, paired)

    # The versions first: two of the header, one of the message; then what was chosen.
    offer_versions = struct.pack("<HHI6H", 2, 1, 0, 3, 0, 1, 0, 5, 0)
    chosen = struct.pack("<HHI4H", 1, 1, 0, 3, 0, 5, 0)
    request = talk(HOST, 0, offer_versions, {"negotiate": [2, 1, [[3, 0], [1, 0], [5, 0]]]}, 1, 3)
    response = talk(GUEST, 0, chosen, {"negotiate": [1, 1, [[3, 0], [5, 0]]]}, 1, 5)
    exchange(capture, 6, "kvp", "kvp", request, response, "transaction")

    empty, nothing = pair(1, "TestActivationStatus", "", "")
    status, status_shown = pair(1, "TestActivationStatus", "test status: activated by its host", "test status: activated by its host")
    ask(0, 1, empty, {"pair": nothing}, status, {"pair": status_shown}, 2)
    result, result_shown = pair(4, "TestActivationResult", struct.pack("<I", 0xC004FD02), str(0xC004FD02))
    ask(1, 0, result, {"pair": result_shown}, result, {"pair": result_shown}, 3)
    count, count_shown = pair(11, "TestActivationTime", struct.pack("<Q", 1 << 40), str(1 << 40))
    ask(3, 2, struct.pack("<I", 7) + empty, {"index": 7, "pair": nothing}, struct.pack("<I", 7) + count,
        {"index": 7, "pair": count_shown}, 4)
    binary, binary_shown = pair(3, "TestBytes", b"\x01\x02\x03", "010203")
    ask(3, 3, struct.pack("<I", 8) + empty, {"index": 8, "pair": nothing}, struct.pack("<I", 8) + binary,
        {"index": 8, "pair": binary_shown}, 5, 0x80070103)
    key = "TestActivationStatus\0".encode("utf-16-le")
    delete = struct.pack("<I", len(key)) + key.ljust(512, b"\0")
    ask(2, 1, delete, {"key": "TestActivationStatus"}, delete, {"key": "TestActivationStatus"}, 6)
    ask(4, 0, b"test", {"opaque": b"test".hex()}, b"tests", {"opaque": b"tests".hex()}, 0, paired="order")
    heartbeat = talk(HOST, 1, b"test", {"opaque": b"test".hex()}, 8, 3)
    exchange(capture, 6, "kvp", "kvp", heartbeat, None, "none")
    channel(capture, 6, "kvp", KVP, "message", "offer", [{"state": "offered", "frame": offered, "status": None}],
            (*totals[GUEST], totals[GUEST][0], 0, 0), (*totals[HOST], totals[HOST][0], 0, 0), flags=0x11)
    capture.write(folder)


def bytes_of_a_stream(folder):
    capture = Capture("vmbus_bytes", "a pipe in byte mode, whose payloads come in pieces")
    text = b"test payload 1, of which every piece is another packet"
    answer = b"test payload 2"
    sent, received = [0, 0, 0], [0, 0, 0]

    def turn(direction, data, sizes, number=9):
        frames, at, total = [], 0, sent if direction == GUEST else received
        for i, size in enumerate(sizes):
            piece = data[at:at + size]
            at += size
            made = packet(pipe(piece), 0x2000 + i)
            frames.append(sends(capture, direction, number, AVMA, made, BYTE, data=piece))
        assert at == len(data)
        total[0] += len(sizes)
        total[1] += len(data)
        total[2] += 1
        return message(direction, frames[0], frames[-1], 0x2000, len(frames), opaque(data), len(data))

    for sizes in ([54], [27, 27], [1, 50, 3], [10, 10, 10, 10, 10, 4], [1] * 54):
        request = turn(GUEST, text, sizes)
        response = turn(HOST, answer, [len(answer)])
        exchange(capture, 9, "avma", "avma", request, response, "transaction")
    long = bytes(i * 7 % 251 for i in range(17_000))
    request = turn(GUEST, long, [16384, 616])
    # A partial packet, as a dump of a ring may have it: 4 of its 14 bytes were read.
    made = packet(pipe(answer, 2, len(answer) | 4 << 16), 0x2000)
    frame = sends(capture, HOST, 9, AVMA, made, BYTE, data=answer)
    received[0] += 1
    received[1] += len(answer)
    received[2] += 1
    response = message(HOST, frame, frame, 0x2000, 1, opaque(answer), len(answer))
    # Memory for direct use, set up and torn down; then the end of the stream, which is data of no bytes.
    for kind in (3, 4):
        sends(capture, GUEST, 9, AVMA, packet(pipe(b"test", kind), 0, kind=9, extended=struct.pack("<II", 0, 1)), BYTE)
    exchange(capture, 9, "avma", "avma", request, response, "transaction")
    sends(capture, GUEST, 9, AVMA, packet(pipe(b"")), BYTE, data=b"")
    channel(capture, 9, "avma", AVMA, "byte", "record", [], (sent[0] + 3, sent[1], sent[2], 1, 2), (*received, 0, 0))
    capture.write(folder)


def damage(folder):
    capture = Capture("vmbus_damaged", "records, descriptors and pipe headers that cannot be")
    good = struct.pack("<4sBBBBII", b"VMBS", 1, GUEST, PACKET, MESSAGE, 9, 0) + guid(AVMA[0]) + guid(AVMA[1])

    def record(data, layer, field, offset, **more):
        capture.raw(data, {"error": {"layer": layer, "field": field, "offset": offset, **more}})

    def changed(at, value):
        return good[:at] + bytes([value]) + good[at + 1:]

    record(good[:47], "vmbus record", "instance_id", 32, needed=16, got=15)
    record(changed(0, ord("X")), "vmbus record", "magic", 0)
    record(changed(4, 2), "vmbus record", "version", 4)
    record(changed(5, 2), "vmbus record", "direction", 5)
    record(changed(6, 0), "vmbus record", "kind", 6)
    record(changed(6, 3), "vmbus record", "kind", 6)

    def descriptor(kind, begin, length, behind=b"", flags=0):
        return good + struct.pack("<HHHHQ", kind, begin, length, flags, 1) + behind

    layer = "packet descriptor"
    record(good, layer, "kind", 0, needed=2, got=0)
    record(good + bytes(15), layer, "transaction_id", 8, needed=8, got=7)
    record(descriptor(6, 1, 4, bytes(16)), layer, "data_offset8", 2, declared=8, least=16)
    record(descriptor(6, 0, 4, bytes(16)), layer, "data_offset8", 2, declared=0, least=16)
    record(descriptor(7, 2, 4, bytes(16)), layer, "data_offset8", 2, declared=16, least=24)
    record(descriptor(9, 2, 4, bytes(16)), layer, "data_offset8", 2, declared=16, least=24)
    record(descriptor(6, 3, 2, bytes(16)), layer, "length8", 4, declared=16, least=24)
    record(descriptor(6, 2, 5, bytes(16)), layer, "length8", 4, declared=40, least=16)
    record(descriptor(6, 2, 0xFFFF, bytes(16)), layer, "length8", 4, declared=524280, least=16)

    layer = "pipe packet"
    record(descriptor(6, 2, 2), layer, "kind", 0, needed=4, got=0)
    record(descriptor(6, 2, 3, pipe(b"", 9)), layer, "kind", 0)
    capture.write(folder)


# --- rings -----------------------------------------------------------------------------------------------------------------


class Ring:
    """A control page and its data."""

    def __init__(self, size, start=0):
        self.data, self.write, self.read, self.packets = bytearray(size), start, start, []

    def push(self, data, transaction, payload=None):
        at = self.write
        out, truth = packet(payload or pipe(data), transaction, offset=at)
        for i, byte in enumerate(out):
            self.data[(at + i) % len(self.data)] = byte
        self.write = (at + len(out)) % len(self.data)
        self.packets.append({"offset": at, "is_consumed": False, "length": len(out), "data": data.hex(), **truth})
        # What it was written over is not there any more.
        while sum(packet["length"] for packet in self.packets) > len(self.data):
            self.packets.pop(0)

    def consume(self, count=1):
        for item in [item for item in self.packets if not item["is_consumed"]][:count]:
            item["is_consumed"] = True
            self.read = (item["offset"] + item["length"]) % len(self.data)

    def dump(self):
        page = struct.pack("<IIII", self.write, self.read, 1, 0) + bytes(48) + struct.pack("<I", 1)
        return page.ljust(4096, b"\0") + bytes(self.data)

    def truth(self, unread=0, error=None):
        return {"write_offset": self.write, "read_offset": self.read, "interrupt_mask": 1, "pending_send_size": 0,
                "feature_bits": 1, "packets": self.packets, "unread": unread, "error": error}


def rings(folder):
    def write(name, what, parts, truths, second_page=None):
        (folder / f"{name}.ring").write_bytes(b"".join(parts))
        truth = {"file": f"{name}.ring", "what": f"made by captures/vmbus/make/record.py, not recorded: {what}",
                 "second_page": second_page, "rings": truths}
        write_truth(folder, name, truth)

    # Both wrap around: in a payload, and in a descriptor.
    sent, received = Ring(4096, 4096 - 40), Ring(4096, 4096 - 8)
    for i in range(3):
        sent.push(f"test payload {i}".encode(), 0x1000 + i)
        received.push(f"test answer {i}, which is longer".encode(), 0x1000 + i)
    write("vmbus_wrap", "both rings of a channel, which wrap around", [sent.dump(), received.dump()],
          [sent.truth(), received.truth()])

    # Written round and round: of what was read, the last packets are still there, in front of those that wait.
    sent, received = Ring(4096), Ring(8192)
    for i in range(200):
        sent.push(f"test payload {i}".encode(), i)
        received.push(f"test answer {i}".encode(), i)
        if i < 198:
            sent.consume()
        received.consume()
    # The ring is not full to the last byte: what lies across the writer's place is gone.
    write("vmbus_consumed", "packets that were read and are still there; the second ring begins at page 2",
          [sent.dump(), received.dump()], [sent.truth(), received.truth()], 2)

    # The second of three descriptors is damaged in one ring, a footer in the other.
    sent, received = Ring(4096), Ring(4096)
    for i in range(3):
        sent.push(f"test payload {i}".encode(), i)
        received.push(f"test answer {i}".encode(), i)
    second = sent.packets[1]["offset"]
    unread = sent.write - second
    struct.pack_into("<H", sent.data, second + 4, 0)
    sent.packets = sent.packets[:1]
    footer = received.packets[2]["offset"] - 4
    struct.pack_into("<I", received.data, footer, 16)
    received.packets[1]["footer"]["offset"] = 16
    received.packets[1]["error"] = {"layer": "packet footer", "field": "offset"}
    error = {"layer": "packet descriptor", "field": "length8", "offset": second + 4}
    write("vmbus_torn", "a damaged descriptor, and a damaged footer", [sent.dump(), received.dump()],
          [sent.truth(unread, error), received.truth()])


def main():
    folder = Path(sys.argv[1])
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    for make in (every_control_message, life_of_an_avma_channel, remote_desktop, key_value_pairs, bytes_of_a_stream, damage,
                 rings):
        make(folder)


main()
