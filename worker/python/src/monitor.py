"""Exceptions after which a worker is replaced: reload-on-exception and its kin."""

import sys


def hit(wanted):
    """Whether the exception that is being handled is one that the configuration names."""
    if wanted["any"]:
        return True
    kind, value = sys.exc_info()[:2]
    name, text = kind.__name__, describe(value)
    return (
        name in wanted["types"]
        or "%s.%s" % (kind.__module__, name) in wanted["types"]
        or text in wanted["values"]
        or "%s: %s" % (name, text) in wanted["reprs"]
    )


def describe(value):
    try:
        return str(value)
    except BaseException:  # the application's own __str__
        return ""
