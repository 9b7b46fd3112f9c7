"""The app of the reference command: Flask, and a callable named app, not application."""
import os
import socket

import flask

import probe

app = flask.Flask(__name__)


@app.route('/')
def index():
    node = flask.request.environ['uwsgi.node'].decode('latin1')
    return '<h1>control center</h1><p>node %s</p><p>hostname %s</p><p>pid %d</p>' % (
        node, socket.gethostname(), os.getpid())


@app.route('/form', methods=['POST'])
def form():
    return 'hello ' + flask.request.form['name']


@app.route('/upload', methods=['POST'])
def upload():
    return str(len(flask.request.files['f'].read()))


@app.route('/<path:name>')
def other(name):
    """Everything else is the probe's."""
    return probe.application
