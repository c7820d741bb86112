#!/usr/bin/env python3
"""moto's S3 server on a free port of 127.0.0.1, until the process that started it is gone.

    s3_server.py [--tls FOLDER] BUCKET...

Run it with the python that `setup.sh s3` prints. It prints its address and then serves; it ends
when its standard input ends. Requests that change something are taken one at a time: moto checks a
condition and writes in two steps, so that two racing writers could both win.
`GET /_lab/requests` answers what was asked of it so far, a line a request: the method, `COPY` where
the server copies by itself, and the path.
"""

import datetime
import ipaddress
import os
import sys
import threading
import warnings
from pathlib import Path

os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1"  # read when moto is imported
for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ.setdefault(name, "lab")

warnings.simplefilter("ignore")  # boto3 is told to trust the certificate that this file makes

import boto3  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


class OneWriter:
    def __init__(self, app):
        self.app, self.lock, self.asked = app, threading.Lock(), []

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/_lab/requests":
            body = "\n".join(self.asked).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        copies = "HTTP_X_AMZ_COPY_SOURCE" in environ
        self.asked.append(f"{'COPY' if copies else environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self.app(environ, start_response)
        with self.lock:
            return list(self.app(environ, start_response))


def make_certificates(folder):
    """An authority of its own, whose certificate goes to ca.pem, and a server's signed by it."""

    def sign(name, issuer, key, signer, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = sign(name("lab"), name("lab"), authority, authority, [x509.BasicConstraints(True, 0)])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    own = sign(name("server"), name("lab"), server, authority, [host])
    (folder / "ca.pem").write_bytes(ca)
    (folder / "server.pem").write_bytes(own)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key = server.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.key").write_bytes(key)
    return str(folder / "server.pem"), str(folder / "server.key")


def main():
    tls, buckets = None, sys.argv[1:]
    if buckets[:1] == ["--tls"]:
        tls, buckets = make_certificates(Path(buckets[1])), buckets[2:]
    app = OneWriter(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1", verify=False)
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
    print(address, flush=True)
    sys.stdin.read()


main()
