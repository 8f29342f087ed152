"""A server of moto, which emulates S3, for as long as a `with` statement runs."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BUCKET = "lazy-chunks"

#: The seconds after which a server that has not started is an error.
PATIENCE = 120


class MotoServer:
    """Starts `moto_server`, which lies beside this interpreter, and creates a bucket."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        program = Path(sys.executable).parent / "moto_server"
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._create_bucket()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _create_bucket(self):
        request = urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")
        deadline = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"moto_server ended with code {self.process.returncode}")
            try:
                urllib.request.urlopen(request, timeout=PATIENCE).close()
                return
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def environment(self):
        """The variables for the clients of this server, without others for S3."""
        ours = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
            "LAZY_STORE_URL": f"s3://{BUCKET}",
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**others, **ours}

    def keys(self):
        """The keys of all objects in the bucket, as boto3 lists them."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
