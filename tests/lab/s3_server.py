#!/usr/bin/env python3
"""moto's S3 server on a free port of 127.0.0.1, until the process that started it is gone.

    s3_server.py BUCKET...

Run it with the python that `setup.sh s3` prints. It prints its address and then serves; it ends
when its standard input ends. Requests that change something are taken one at a time: moto checks a
condition and writes in two steps, so that two racing writers could both win.
"""

import os
import sys
import threading

os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1"  # read when moto is imported
for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ.setdefault(name, "lab")

import boto3  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


class OneWriter:
    def __init__(self, app):
        self.app, self.lock = app, threading.Lock()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self.app(environ, start_response)
        with self.lock:
            return list(self.app(environ, start_response))


def main():
    app = OneWriter(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    for bucket in sys.argv[1:]:
        s3.create_bucket(Bucket=bucket)
    print(address, flush=True)
    sys.stdin.read()


main()
