# SPDX-License-Identifier: Apache-2.0
"""Ten TCP SYNs as raw frames: tagged_syn.py INTERFACE MAC SOURCE DESTINATION PORT [from=SOURCE] [TPID:VID…].
Each has another source port, so that each is a new connection."""
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, destination, source_port, port):
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    tcp = struct.pack("!HHIIBBHHH", source_port, port, 1000, 0, 5 << 4, 2, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, len(tcp)) + tcp)) + tcp[18:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), source_port, 0, 64, 6, 0) + ends
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


interface, mac, source, destination, port = sys.argv[1:6]
tags = b""
for word in sys.argv[6:]:
    if word.startswith("from="):
        source = word[5:]
        continue
    tpid, vid = word.split(":")
    tags += struct.pack("!HH", int(tpid, 16), int(vid))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((interface, 0))
head = bytes.fromhex(mac.replace(":", "")) + wire.getsockname()[4][:6] + tags + b"\x08\x00"
for number in range(10):
    wire.send(head + syn(source, destination, 40000 + number, int(port)))
