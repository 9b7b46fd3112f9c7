"""The Python side of gowsgi: zygote, workers, protocols and the uwsgi module."""
