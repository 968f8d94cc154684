"""Records of VMBus as this project keeps them in a pcapng file: a header of 48 bytes, then the message or packet."""

import struct
import time
import uuid

LINK_TYPE = 147
AVMA = uuid.UUID("3375baf4-9e15-4b30-b765-67acb10d607b"), uuid.UUID("4487b255-b88c-403f-bb51-d1f69cf17f87")
GUEST, HOST = 0, 1
CONTROL, RING_PACKET = 1, 2
MESSAGE_PIPE, NO_PIPE = 4, 0xFF
CHANNEL, CONNECTION, GPADL = 14, 0x2000E, 0xE1E10


class Bus:
    """A channel of automatic activation as both ends of a bus see it; what passes is kept with its time."""

    def __init__(self):
        self.records = []
        # Where the next packet goes in the ring of each direction, and the guest's next transaction.
        self.offsets, self.transaction = {GUEST: 0, HOST: 0}, 1

    def record(self, direction, kind, pipe, channel, offset, ids, data):
        head = struct.pack("<4s4B2I", b"VMBS", 1, direction, kind, pipe, channel, offset)
        self.records.append((time.time_ns(), head + ids[0].bytes_le + ids[1].bytes_le + data))
        time.sleep(0.001)

    def control(self, direction, number, body=b"", *, channel=0):
        ids = AVMA if channel else (uuid.UUID(int=0),) * 2
        data = struct.pack("<2I", number, 0) + body
        self.record(direction, CONTROL, NO_PIPE, channel, 0xFFFFFFFF, ids, data)

    def offer(self):
        self.control(GUEST, 14, struct.pack("<2I3Q", 0x00050003, 0, 0, 0, 0))
        self.control(HOST, 15, struct.pack("<2BHI", 1, 0, 0, 1))
        self.control(GUEST, 3)
        pipe = struct.pack("<I112xI", MESSAGE_PIPE, 0)
        body = AVMA[0].bytes_le + AVMA[1].bytes_le + bytes(16) + struct.pack("<2H", 0x11, 0) + pipe
        body += struct.pack("<2HI2BHI", 0, 0, CHANNEL, 0, 0, 1, CONNECTION)
        self.control(HOST, 1, body, channel=CHANNEL)
        self.control(HOST, 4)

    def open(self):
        frames = struct.pack("<9Q", 8 * 4096, *range(0x1000, 0x1008))
        self.control(GUEST, 8, struct.pack("<2I2H", CHANNEL, GPADL, len(frames), 1) + frames, channel=CHANNEL)
        self.control(HOST, 10, struct.pack("<3I", CHANNEL, GPADL, 0), channel=CHANNEL)
        body = struct.pack("<5I", CHANNEL, 1, GPADL, 0, 4)
        self.control(GUEST, 5, body + bytes(120), channel=CHANNEL)
        self.control(HOST, 6, struct.pack("<3I", CHANNEL, 1, 0), channel=CHANNEL)

    def message(self, direction, text):
        """One message of the pipe in one packet, with its footer."""
        payload = struct.pack("<2I", 1, len(text)) + text.encode()
        payload += bytes(-len(payload) % 8)
        head = struct.pack("<4HQ", 6, 2, 2 + len(payload) // 8, 0, self.transaction)
        at = self.offsets[direction]
        packet = head + payload + struct.pack("<2I", 0, at)
        self.offsets[direction] += len(packet)
        self.transaction += direction == HOST
        self.record(direction, RING_PACKET, MESSAGE_PIPE, CHANNEL, at, AVMA, packet)

    def close(self):
        self.control(GUEST, 7, struct.pack("<I", CHANNEL), channel=CHANNEL)
