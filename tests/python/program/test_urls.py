"""Arrays and groups at URLs: on disks, with the results that paths have, and in an object store."""

import os
import re
import unittest
import urllib.request
import uuid

import numpy as np
import zarr

from support import ProgramTest, stream

BLOCKS = [np.arange(6000.0).reshape(60, 100) + i for i in range(3)]


class FileUrls(ProgramTest):
    """Each command prints of a `file://` URL what it prints of the path, with the URL in its place."""

    maxDiff = None

    def setUp(self):
        super().setUp()
        self.directory = self.directory.resolve()
        for i, block in enumerate(BLOCKS):
            self.save(f"parts/{i}.npy", block)

    def url(self, name):
        return f"file://{self.directory}/{name}"

    def same(self, *command, code=0, stdin=b""):
        """Runs a command in which `@name` is a place: first at paths, and then at URLs."""
        said = []
        for start, before in (("path", ""), ("url", "file://")):
            below = f"{self.directory}/{start}/"
            arguments = [re.sub("^@", before + below, one) for one in command]
            output = self.lazy(*arguments, stdin=stdin, code=code)
            # The library prints the directories that it has found as paths.
            texts = [text.replace(before + below, "@/").replace(below, "@/") for text in (output, self.errors)]
            said.append([re.sub(r"[\d.]+(ns|µs|ms|s)\b|[\d.]+ [KMG]?i?B/s", "…", text) for text in texts])
        self.assertEqual(said[0], said[1])
        return said[0]

    def same_trees(self):
        def below(start):
            return {
                name.removeprefix(start): bytes
                for name, bytes in self.tree().items()
                if name.startswith(start) and not name.endswith(".png")
            }

        self.assertEqual(below("path/"), below("url/"))
        return below("path/")

    def store(self, *more):
        self.same("store", "parts", "-o", "@g/a", *more)

    def setting(self):
        (self.directory / "path").mkdir()
        (self.directory / "url").mkdir()

    def test_store(self):
        self.setting()
        _, notes = self.same("store", "parts", "-o", "@a.zarr", "--stats", "mean,max", "--json")
        self.assertIn("as @/a.zarr: ", notes)
        _, notes = self.same("store", "parts", "-o", "@a.zarr", code=1)
        self.assertIn("lazy: @/a.zarr already exists\nhint: choose another path", notes)
        _, notes = self.same("store", "parts", "-o", "@a.zarr", "--resume")
        self.assertIn("@/a.zarr is already complete and equal to the input", notes)
        self.same("store", "-", "-o", "@a.zarr", "--replace", stdin=stream(BLOCKS), code=0)
        self.same("store", "parts/0.npy", "-o", "@a.zarr", "--append", "--resume")
        self.same("store", "parts/0.npy", "-o", "@a.zarr", "--append", "--resume")
        self.same("store", "@a.zarr", "-o", "@b.zarr", "--chunks", "10,10")
        self.same("store", "parts", "-o", "@c.zarr", "--workers", "0/1")
        self.same_trees()

    def test_a_write_to_a_url_is_resumed_at_the_path(self):
        self.setting()
        command = ["--chunks", "1,10", "--codec", "none", "--resume"]
        process = self.caught_in_the_middle("store", "parts", "-o", self.url("url/a.zarr"), *command)
        process.kill()
        process.wait()
        self.lazy("store", self.url("parts"), "-o", self.path("url/a.zarr"), code=1)
        self.assertIn("was interrupted after it had stored ", self.errors)
        self.lazy("store", self.url("parts"), "-o", self.path("url/a.zarr"), *command)
        np.testing.assert_array_equal(self.array("url/a.zarr"), np.concatenate(BLOCKS))
        self.lazy("store", "parts", "-o", self.url("url/a.zarr"), *command)
        self.assertIn("already complete and equal to the input", self.errors)

    def test_an_array_beside_members_becomes_a_member(self):
        self.store("--stats", "mean")
        self.lazy("store", "parts", "-o", self.path("path/g"), "--array", "b")
        self.lazy("store", "parts", "-o", self.url("url/g"), "--array", "b")
        self.same("store", "parts", "-o", "@g/c")
        names = zarr.open_group(self.path("url/g"), mode="r")["c"].metadata.dimension_names
        self.assertEqual(names, ("c_0", "c_1"))
        self.same_trees()

    def test_reduce(self):
        self.setting()
        self.store()
        output, _ = self.same("reduce", "@g/a", "--stats", "sum,max,argmax")
        self.assertIn("argmax", output)
        statistics = ["--stats", "mean,argmax", "--axis", "rows"]
        self.same("reduce", "@g/a", *statistics, "-o", "@of-rows.zarr")
        _, notes = self.same("reduce", "@g/a", *statistics, "-o", "@of-rows.zarr", code=1)
        self.assertIn("@/of-rows.zarr/mean already exists", notes)
        self.same("reduce", "@g/a", *statistics, "-o", "@of-rows.zarr", "--replace")
        _, notes = self.same("reduce", "@g/a", *statistics, "-o", "@g/a", code=2)
        self.assertIn("@/g/a is an array, not a group", notes)
        self.same_trees()

    def test_reading(self):
        self.setting()
        self.lazy("store", "parts", "-o", "path/g", "--array", "a")
        self.lazy("store", "parts", "-o", "url/g", "--array", "a")
        for command in (["info", "@g"], ["info", "@g/a"], ["verify", "@g/a"]):
            self.same(*command)
            output, _ = self.same(*command, "--json")
            self.assertIn(f'"path": "@/{command[1][1:]}"', output)
        self.same("export", "@g/a", "-o", "@a.npy", "--rows", "3:9")
        self.same("view", "@g/a", "-o", "@a.png")
        self.same("export", "@g/a", "-o", "@a.npy", "--replace", "--quiet")
        self.same("export", "@g", "-o", "@b.npy", code=1)
        self.same("export", "@missing", "-o", "@b.npy", code=1)
        chunk = next(self.path("path/g/a/c").rglob("*/0"))
        for start in ("path", "url"):
            (self.directory / start / chunk.relative_to(self.directory / "path")).write_bytes(b"torn")
        self.same("verify", "@g/a", code=3)
        self.same_trees()

    def test_looking_after(self):
        self.setting()
        for start in ("path", "url"):
            self.lazy("store", "parts", "-o", f"{start}/g", "--array", "a")
            self.lazy("store", "parts", "-o", f"{start}/g", "--array", "a", "--replace")
        self.same("unfinished", "@g")
        self.same("unfinished", "@g", "--json")
        _, notes = self.same("status", "@g", code=1)
        self.assertIn("hint: name one of its members, such as @/g/a", notes)
        self.same("status", "@g/a")
        self.same("status", "@g/a", "--json")
        self.same("finish", "@g/a", "--json")
        self.same("attributes", "@g", "--set", "model=digits", "--unset", "draft")
        self.same("attributes", "@g/a", "--json")
        output, _ = self.same("clean", "@g", "--dry-run")
        self.assertIn("@/g/a: would remove 1 old chunk", output)
        self.same("clean", "@g")
        _, notes = self.same("clean", "@g")
        self.assertIn("nothing to remove in @/g", notes)
        self.same("consolidate", "@g")
        _, notes = self.same("remove", "@g/a", code=1)
        self.assertIn("hint: remove the consolidated metadata with `lazy consolidate @/g --remove`", notes)
        self.same("consolidate", "@g", "--remove")
        for start in ("path", "url"):
            (self.directory / start / "g/a/notes.txt").write_text("kept")
        output, _ = self.same("remove", "@g/a", "--json")
        self.assertIn('"path": "@/g/a"', output)
        _, notes = self.same("remove", "@g", code=1)
        self.assertIn("@/g is not a member of a Zarr group", notes)
        for command in ("unfinished", "status", "finish", "clean"):
            _, notes = self.same(command, "@missing", code=1)
            self.assertIn("@/missing does not exist", notes)
        self.same_trees()

    def test_a_write_that_is_interrupted(self):
        self.setting()
        process = self.caught_in_the_middle(
            "store", "parts", "-o", self.url("url/a.zarr"), "--chunks", "1,10", "--codec", "none"
        )
        self.lazy("unfinished", self.url("url/a.zarr"))
        process.kill()
        process.wait()
        self.lazy("info", self.url("url/a.zarr"), code=1)
        self.assertIn(f"{self.url('url/a.zarr')} does not exist: a write of it is unfinished", self.errors)
        self.assertIn(f"hint: `lazy unfinished {self.url('url/a.zarr')}` tells", self.errors)
        self.lazy("unfinished", self.url("url"), "--remove")
        self.assertEqual(self.json("unfinished", self.url("url")), [])

    def test_names_with_escapes(self):
        self.lazy("store", "parts", "-o", self.url("a%20b%3F.zarr"), "--array", "x")
        self.assertTrue(self.path("a b?.zarr/x/zarr.json").is_file())
        self.lazy("remove", self.url("a%20b%3F.zarr/%78"))
        self.assertIn(f"removed {self.url('a%20b%3F.zarr/%78')}", self.errors)
        self.assertFalse(self.path("a b?.zarr/x").exists())

    def test_store_options(self):
        self.setting()
        self.same("store", "parts", "-o", "@a.zarr", "--store-option", "aws_region=eu-west-1")
        self.lazy("--store-option", "a=1", "info", self.url("url/a.zarr"), "--store-option", "b=2")
        self.lazy("info", self.url("url/a.zarr"), "--store-option", "a=1", "--store-option", "a=2", code=2)
        self.assertIn("--store-option sets a twice", self.errors)
        self.lazy("info", self.url("url/a.zarr"), "--store-option", "a", code=2)
        self.assertIn("a store option is a key and a value", self.errors)
        for command in ("store", "reduce", "info", "verify", "view", "export", "unfinished", "status", "finish",
                        "clean", "attributes", "remove", "consolidate"):
            self.assertIn("--store-option <K=V>", self.lazy(command, "--help"))

    def test_paths_that_are_not_unicode(self):
        name = bytes(self.directory) + b"/a\xff.zarr"
        self.lazy("store", "parts", "-o", name)
        self.assertIn(b"a\xff.zarr", os.listdir(bytes(self.directory)))
        for command in (["info"], ["verify"], ["unfinished"], ["clean"], ["reduce", "--stats", "sum"]):
            self.lazy(*command, name)
        self.lazy("export", name, "-o", bytes(self.directory) + b"/b\xff.npy")


@unittest.skipUnless("LAZY_S3_ENDPOINT" in os.environ, "LAZY_S3_ENDPOINT names no server")
class S3(ProgramTest):
    """Commands at `s3://` URLs of a server that speaks S3, in a bucket of their own."""

    def setUp(self):
        super().setUp()
        endpoint = os.environ["LAZY_S3_ENDPOINT"]
        self.options = [
            *("--store-option", f"endpoint={endpoint}"),
            *("--store-option", "allow_http=true"),
            *("--store-option", "aws_region=us-east-1"),
        ]
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
        self.bucket, self.prefix = f"program-{uuid.uuid4().hex}", "run"
        self.request(f"{endpoint}/{self.bucket}")
        for i, block in enumerate(BLOCKS):
            self.save(f"parts/{i}.npy", block)

    def url(self, name):
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def request(self, url, data=None):
        urllib.request.urlopen(urllib.request.Request(url, data, method="PUT")).close()

    def put(self, name, data):
        self.request(f"{os.environ['LAZY_S3_ENDPOINT']}/{self.bucket}/{self.prefix}/{name}", data)

    def at(self, *command, **options):
        return self.lazy(*command, *self.options, **options)

    def of_server(self, name):
        """The array, as zarr-python reads it from the server."""
        for make in (self.with_obstore, self.with_s3fs):
            try:
                return zarr.open_array(make(name), mode="r")
            except ImportError:
                continue
        return self.skipTest("neither obstore nor s3fs is there")

    def with_obstore(self, name):
        from obstore.store import S3Store
        from zarr.storage import ObjectStore

        return ObjectStore(
            S3Store(
                self.bucket, prefix=f"{self.prefix}/{name}", endpoint=os.environ["LAZY_S3_ENDPOINT"],
                region="us-east-1", client_options={"allow_http": True},
            ),
            read_only=True,
        )

    def with_s3fs(self, name):
        import s3fs  # noqa: F401
        from zarr.storage import FsspecStore

        options = {"client_kwargs": {"endpoint_url": os.environ["LAZY_S3_ENDPOINT"]}}
        return FsspecStore.from_url(self.url(name), storage_options=options, read_only=True)

    def test_commands(self):
        store = ["--chunks", "50,40", "--stats", "mean,max"]
        expected = self.lazy("store", "parts", "-o", "a.zarr", *store)
        self.assertEqual(self.at("store", "parts", "-o", self.url("a.zarr"), *store), expected)
        self.assertRegex(self.errors, rf"as {self.url('a.zarr')}: .* in the store, ")
        self.at("store", "parts", "-o", self.url("a.zarr"), *store, code=1)
        self.assertIn(f"{self.url('a.zarr')} already exists\n", self.errors)
        self.assertIn("add rows to it with --append", self.errors)

        of_path, of_url = self.json("info", "a.zarr"), self.json("info", self.url("a.zarr"), *self.options)
        self.assertEqual(of_url.pop("path"), self.url("a.zarr"))
        self.assertEqual(of_path.pop("path"), "a.zarr")
        # At a path, the array has the key of the write, which can be resumed.
        for described in (of_url, of_path):
            del described["provenance"]
        self.assertEqual(of_url, of_path)

        self.at("verify", self.url("a.zarr"))
        self.assertIn(f"of {self.url('a.zarr')} can be read", self.errors)
        self.lazy("view", "a.zarr", "-o", "path.png")
        self.at("view", self.url("a.zarr"), "-o", "url.png")
        for command in (["export"], ["export", "--rows", "7:77", "--cols", ":50"]):
            self.lazy(*command, "a.zarr", "-o", "path.npy", "--replace")
            self.at(*command, self.url("a.zarr"), "-o", "url.npy", "--replace")
            self.assertEqual(self.path("url.npy").read_bytes(), self.path("path.npy").read_bytes())

        statistics = ["--stats", "sum,argmax,cov"]
        expected = self.lazy("reduce", "a.zarr", *statistics)
        self.assertEqual(self.at("reduce", self.url("a.zarr"), *statistics), expected)
        self.at("store", self.url("a.zarr"), "-o", "back.zarr", "--chunks", "7,7", "--resume")
        np.testing.assert_array_equal(self.array("back.zarr"), np.concatenate(BLOCKS))
        self.at("store", self.url("a.zarr"), "-o", "back.zarr", "--chunks", "7,7", "--resume")
        self.assertIn("already complete", self.errors)

    def test_the_array_for_other_readers(self):
        self.at("store", "parts", "-o", self.url("a.zarr"), "--chunks", "50,40")
        np.testing.assert_array_equal(self.of_server("a.zarr")[:], np.concatenate(BLOCKS))

    def test_groups(self):
        for name in ("a", "b"):
            self.at("store", "parts", "-o", self.url("g"), "--array", name)
        self.at("store", "parts/0.npy", "-o", self.url("g/c"))
        self.at("reduce", self.url("g/a"), "--stats", "mean", "--axis", "rows", "-o", self.url("g/of-rows"))
        described = self.json("info", self.url("g"), *self.options)
        names = [member["name"] for member in described["members"]]
        self.assertEqual(names, ["a", "b", "c", "of-rows", "of-rows/mean"])
        self.assertEqual(described["members"][0]["path"], self.url("g/a"))
        self.at("attributes", self.url("g"), "--set", "model=digits")
        self.assertEqual(self.at("attributes", self.url("g")), 'model "digits"\n')
        self.at("consolidate", self.url("g"))
        self.at("remove", self.url("g/a"), code=1)
        self.assertIn(f"with `lazy consolidate {self.url('g')} --remove`", self.errors)
        self.at("store", "parts", "-o", self.url("g/d"), code=1)
        self.assertIn(f"with `lazy consolidate {self.url('g')} --remove`", self.errors)
        self.at("consolidate", self.url("g"), "--remove")
        self.put("g/a/notes.txt", b"kept")
        self.at("remove", self.url("g/a"))
        self.assertIn(f"kept {self.url('g/a/notes.txt')}, which does not belong to Zarr", self.errors)
        self.at("remove", self.url("g/of-rows"), code=2)
        self.at("remove", self.url("g/of-rows"), "--recursive")
        described = self.json("info", self.url("g"), *self.options)
        self.assertEqual([member["name"] for member in described["members"]], ["b", "c"])

    def test_replacing_and_cleaning(self):
        store = ["store", "parts", "-o", self.url("a.zarr"), "--chunks", "50,40"]
        self.at(*store)
        self.at(*store, "--replace")
        of_old = self.at("clean", self.url("a.zarr"), "--dry-run")
        self.assertIn(f"{self.url('a.zarr')}: would remove 12 old chunks", of_old)
        self.at("clean", self.url("a.zarr"))
        self.at("clean", self.url("a.zarr"))
        self.assertIn(f"nothing to remove in {self.url('a.zarr')}", self.errors)
        self.at("verify", self.url("a.zarr"))
        self.at(*store, "--resume")
        self.assertIn(f"{self.url('a.zarr')} is already complete and equal to the input", self.errors)
        self.at(*store, "--append")
        self.assertIn("which is now float64 [360, 100]", self.errors)
        self.at(*store, "--workers", "0/1", "--replace")
        self.assertEqual(self.json("info", self.url("a.zarr"), *self.options)["shape"], [180, 100])
        self.at("verify", self.url("a.zarr"))

    def test_a_write_that_is_interrupted(self):
        store = ["store", "parts", "-o", self.url("a.zarr"), "--chunks", "1,100", "--codec", "none"]
        # The client of the store logs as well.
        process = self.caught_in_the_middle(*store, *self.options, log="lazy_zarr=trace")
        process.kill()
        process.wait()
        [write] = self.json("unfinished", self.url("a.zarr"), *self.options)
        self.assertEqual(write["target"], self.url("a.zarr"))
        self.assertTrue(write["directory"].startswith(self.url("a.zarr")), write)
        self.at("info", self.url("a.zarr"), code=1)
        self.at(*store, "--resume", "--take-over")
        self.assertEqual(self.json("unfinished", self.url("a.zarr"), *self.options), [])
        self.at("export", self.url("a.zarr"), "-o", "a.npy")
        np.testing.assert_array_equal(np.load(self.path("a.npy")), np.concatenate(BLOCKS))

    def test_missing(self):
        for command in ("info", "verify", "unfinished", "status", "finish", "clean"):
            self.at(command, self.url("missing"), code=1)
            self.assertIn(f"{self.url('missing')} does not exist", self.errors)
        self.at("reduce", self.url("missing.npy"), "--stats", "sum", code=1)
        self.assertIn("files are not read from object stores", self.errors)
        self.at("export", self.url("missing"), "-o", self.url("a.npy"), code=2)

    def test_an_unknown_option_is_named(self):
        self.at("info", self.url("a.zarr"), "--store-option", "colour=red", code=1)
        self.assertIn("invalid store option colour", self.errors)
        self.assertIn("hint: check the options that were given with --store-option", self.errors)
