"""Writes long lines to a pipe that nobody reads yet, is sent signals meanwhile, and prints which lines did not arrive whole."""

import importlib.util
import os
import signal
import sys
import time

spec = importlib.util.spec_from_file_location("_gowsgi", "src/__init__.py", submodule_search_locations=["src"])
sys.modules["_gowsgi"] = importlib.util.module_from_spec(spec)

from _gowsgi import zygote  # noqa: E402

COUNT, LENGTH = 40, 6000

child = os.fork()
if child == 0:
    signal.signal(signal.SIGHUP, lambda number, frame: None)
    zygote.buffer_lines()
    for n in range(COUNT):
        sys.stderr.write("LINE %02d %s END\n" % (n, "x" * LENGTH))
    os._exit(0)
os.close(2)
for _ in range(5):
    time.sleep(0.1)
    os.kill(child, signal.SIGHUP)
data = b""
while True:
    more = os.read(0, 65536)
    if not more:
        break
    data += more
wanted = ["LINE %02d %s END" % (n, "x" * LENGTH) for n in range(COUNT)]
print([line[:40] for line in data.decode().splitlines() if line not in wanted], len(data.splitlines()))
