"""An app that does much beside its requests, with uwsgidecorators' words."""

import os
import time

import muleapp  # first: it sets a hook that decorators replaces

import decorators as ud
import uwsgi

from muleapp import note

WATCHED = os.environ.get("WATCHED", "")


@ud.postfork
def forked():
    note(postfork="yes", spooler=bool(uwsgi.i_am_the_spooler()))


@ud.timer(1, target="mule")
def every_second(number):
    note(timer=number, received=uwsgi.signal_received())


@ud.rbtimer(1, target="spooler")
def on_spooler(number):
    note(rbtimer=number, spooler=uwsgi.i_am_the_spooler())


@ud.cron(-1, -1, -1, -1, -1, target="worker")
def every_minute(number):
    note(cron=number)


@ud.signal(100)
def any_worker(number):
    note(signal=number)


for number, target in ((101, "workers"), (102, "worker2"), (103, "mule1"), (104, "farm_pigs"), (105, "mules")):
    uwsgi.register_signal(number, target, any_worker)

uwsgi.register_rpc("hello", lambda name: b"hello " + name)

if WATCHED:

    @ud.filemon(WATCHED)
    def changed(number):
        note(filemon=number)


@ud.mulefunc
def in_mule(what):
    note(mulefunc=what)


@ud.mulefunc(1)
def in_mule_one(what, more=0):
    note(mulefunc1=what, more=more)


@ud.spool
def later(what, fail=False, seconds=0):
    note(begin=what, cwd=os.getcwd())
    time.sleep(seconds)
    if what == "die" and not os.path.exists("died"):
        open("died", "w").close()
        os._exit(9)
    if fail:
        raise ValueError("failed on purpose")
    note(spool=what, nice=os.nice(0))


@ud.lock
def guarded():
    return uwsgi.is_locked()


@ud.thread
def aside(what):
    note(thread=what)


muleapp.space.update(globals())
application = muleapp.application
