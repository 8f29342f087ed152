"""Emulators of object stores, on the loopback device.

Each starts when it is first needed, and ends with this process.
"""

import atexit
import base64
import email.utils
import functools
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import numpy as np
import tensorstore as ts
import zarr
from obstore.store import AzureStore, S3Store
from zarr.storage import FsspecStore, ObjectStore

BUCKET = "lazy-chunks"

#: The seconds after which a server that has not started is an error.
PATIENCE = 120


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A server with one bucket. Objects have names below it."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(self.stop)
        deadline = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended with code {self.process.returncode}")
            try:
                urllib.request.urlopen(self.creation(), timeout=PATIENCE).close()
                break
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def environment(self):
        """Returns the environment of a client of this server, without other credentials."""
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AZURE_", "AZURITE_"))
        }
        return {**others, **self.variables()}

    def objects(self, name=""):
        """Returns the bytes of all objects below a name, by their names below it."""
        store = self.store(name)
        keys = [entry["path"] for batch in store.list() for entry in batch]
        return {key: bytes(store.get(key).bytes()) for key in keys}

    def put(self, name, objects):
        store = self.store(name)
        for key, value in objects.items():
            store.put(key, value)


class Moto(Server):
    """moto, which emulates S3."""

    def __init__(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        super().__init__([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)])

    def creation(self):
        return urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")

    def variables(self):
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def url(self, name):
        return f"s3://{BUCKET}/{name}"

    def store(self, name):
        return S3Store(
            BUCKET,
            prefix=name or None,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id="test",
            secret_access_key="test",
            client_options={"allow_http": True},
        )

    def stores(self, name):
        """Returns the stores of zarr-python for a name, by client."""
        options = {
            "key": "test",
            "secret": "test",
            "client_kwargs": {"endpoint_url": self.endpoint, "region_name": "us-east-1"},
        }
        return {
            "obstore": ObjectStore(self.store(name)),
            "s3fs": FsspecStore.from_url(self.url(name), storage_options=options),
        }

    def spec(self, name):
        """Returns the store of tensorstore for a name, or `None` if it has no client."""
        return {
            "driver": "s3",
            "bucket": BUCKET,
            "path": f"{name}/",
            "endpoint": self.endpoint,
            "aws_region": "us-east-1",
            "aws_credentials": {"type": "environment"},
        }


#: The account of the emulator, and its key, which are the same everywhere.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite(Server):
    """azurite, which emulates Azure Blob Storage."""

    def __init__(self, program):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        directory = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", directory]
        options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        super().__init__([program, *address, *options])

    def creation(self):
        path, date = f"/{ACCOUNT}/{BUCKET}", email.utils.formatdate(usegmt=True)
        headers = {"x-ms-date": date, "x-ms-version": "2023-11-03"}
        listed = "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed = "PUT" + 12 * "\n" + f"{listed}/{ACCOUNT}{path}\nrestype:container"
        digest = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        url = f"{self.endpoint}{path}?restype=container"
        return urllib.request.Request(url, method="PUT", headers=headers)

    def variables(self):
        return {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": self.endpoint}

    def url(self, name):
        return f"az://{BUCKET}/{name}"

    def store(self, name):
        return AzureStore(
            BUCKET,
            prefix=name or None,
            account_name=ACCOUNT,
            account_key=KEY,
            endpoint=f"{self.endpoint}/{ACCOUNT}",
            client_options={"allow_http": True},
        )

    def stores(self, name):
        return {"obstore": ObjectStore(self.store(name))}

    def spec(self, _):
        return None


@functools.cache
def moto():
    server = Moto()
    # The client of tensorstore takes its credentials from the environment.
    os.environ.update(server.variables())
    return server


@functools.cache
def azurite():
    return Azurite(os.environ["AZURITE"])


class OnMoto:
    """Of a test: `server` is moto."""

    server = property(lambda _: moto())


@unittest.skipUnless("AZURITE" in os.environ, "AZURITE names no emulator of Azure")
class OnAzurite:
    """Of a test: `server` is azurite."""

    server = property(lambda _: azurite())


def readers(server, name):
    """Returns functions that open an array, by the names of readers. `read` takes an open array."""
    opens = {
        f"zarr-python with {client}": functools.partial(zarr.open_array, store, mode="r")
        for client, store in server.stores(name).items()
    }
    if spec := server.spec(name):
        opens["tensorstore"] = lambda: ts.open({"driver": "zarr3", "kvstore": spec}, open=True).result()
    return opens


def read(array):
    """Returns all elements of an open array."""
    return array[:] if isinstance(array, zarr.Array) else np.asarray(array.read().result())
