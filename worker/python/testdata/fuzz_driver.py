"""Runs the runtime's parsers for the Go fuzz targets: frames with inputs come in, frames with results go out.

A frame is 4 bytes little-endian length and that many bytes. Of an input the first byte says which parser it is for.
"""

import importlib.util
import os
import struct
import sys

spec = importlib.util.spec_from_file_location("_gowsgi", "src/__init__.py", submodule_search_locations=["src"])
sys.modules["_gowsgi"] = importlib.util.module_from_spec(spec)

from _gowsgi import httphead  # noqa: E402
from _gowsgi.body import ChunkedInput  # noqa: E402
from _gowsgi.packet import PacketProtocol  # noqa: E402
from _gowsgi.wire import InputError  # noqa: E402

LIMIT = 4096


class Pieces(object):
    """A wire that delivers a text in pieces whose sizes the input chooses."""

    def __init__(self, data, step):
        self.data = data
        self.step = step

    def more(self, fd, size, deadline=None):
        size = min(size, self.step)
        data, self.data = self.data[:size], self.data[size:]
        return data


def strings(*values):
    out = b"ok"
    for value in values:
        value = value if isinstance(value, bytes) else value.encode("latin-1")
        out += struct.pack("<I", len(value)) + value
    return out


def variables(env):
    return [text for key in sorted(env) for text in (key, env[key])]


def packet(data):
    protocol = PacketProtocol(None, None, {}, {}, {"buffer_size": LIMIT, "post_buffering": 0, "log_requests": False, "serve": None})
    env = protocol.parse(data, 4 + (data[1] | data[2] << 8))
    return b"refused" if env is None else strings(*variables(env))


def head(data):
    env = {}
    try:
        length, expects = httphead.head(data.decode("latin-1"), env)
    except httphead.BadRequest as err:
        return b"refused " + err.status.encode("ascii")
    return strings(str(length), str(int(expects)), *variables(env))


def chunks(data):
    step = data[0] + 1
    body = ChunkedInput(Pieces(data[1:], step), -1, b"", False, LIMIT)
    read = []
    try:
        while True:
            piece = body.read(step * 7 % 50 + 1)
            if not piece:
                break
            read.append(piece)
    except InputError:
        return b"refused"
    return strings(b"".join(read), body.rest() + body.wire.data)


PARSERS = {ord("p"): packet, ord("h"): head, ord("c"): chunks}


def exactly(size):
    parts = b""
    while len(parts) < size:
        part = os.read(0, size - len(parts))
        if not part:
            sys.exit(0)
        parts += part
    return parts


while True:
    frame = exactly(struct.unpack("<I", exactly(4))[0])
    try:
        result = PARSERS[frame[0]](frame[1:])
    except Exception as err:
        result = b"raised " + repr(err).encode("latin-1", "backslashreplace")
    os.write(1, struct.pack("<I", len(result)) + result)
