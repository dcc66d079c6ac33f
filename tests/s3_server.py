"""A real S3 server in a process of its own (moto), for tests and benchmarks."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyarrow import fs


@contextmanager
def s3_server(program: Sequence[str] = ("-m", "moto.server")) -> Iterator[dict[str, str]]:
    """The environment variables that lead to the server, as long as it runs; `program`: what Python is given to run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, *program, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(address, server)
            yield {
                "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
            }  # fmt: skip
        finally:
            server.terminate()


def make_bucket(name: str) -> fs.FileSystem:
    """An empty bucket on the server that the environment names, and the filesystem it is on."""
    filesystem, path = fs.FileSystem.from_uri(f"s3://{name}?allow_bucket_creation=true")
    filesystem.create_dir(path)
    return filesystem


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/moto-api/", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the S3 server did not start; is moto installed?")
