"""A mule with a program of its own."""

import uwsgi

from muleapp import note

note(script=__name__, farm=uwsgi.in_farm("pigs"), timeout=repr(uwsgi.mule_get_msg(timeout=0.05)))
while True:
    message = uwsgi.mule_get_msg()
    if message == b"sleep":
        import time

        time.sleep(1)
    note(got=message.decode())
