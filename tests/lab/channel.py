"""A gRPC channel to a Milvus, and what every call on it has to show.

What the server wants to see comes from the environment: `LAB_MILVUS_CA` (certificates to trust), `LAB_MILVUS_CERT` and
`LAB_MILVUS_KEY` (a certificate of ours), `LAB_MILVUS_NAME` (the name in the server's) and `LAB_MILVUS_USER` (`user:password`).
"""

import base64
import os
from pathlib import Path

import grpc


def open_channel(address, options=()):
    """A channel to `http://host:port`, or with TLS to `https://host:port`."""
    scheme, _, target = address.rpartition("://")
    if scheme != "https":
        return grpc.insecure_channel(target, options)
    ca, cert, key = (content(name) for name in ("CA", "CERT", "KEY"))
    if name := os.environ.get("LAB_MILVUS_NAME"):
        options = [*options, ("grpc.ssl_target_name_override", name)]
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(ca, key, cert), options)


def content(name):
    """What is in the file that a variable names."""
    path = os.environ.get(f"LAB_MILVUS_{name}")
    return Path(path).read_bytes() if path else None


def login():
    """The metadata that says who we are; none without a user."""
    user = os.environ.get("LAB_MILVUS_USER")
    return [("authorization", base64.b64encode(user.encode()).decode())] if user else []
