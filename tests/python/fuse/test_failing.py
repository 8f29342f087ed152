"""Failing operations: the write reports an error, and the target is unchanged."""

import numpy as np

from mounts import FILES, LAZY, MEMBER, NEW, REPLACE, REPLACED_BY_FILES, WRITES, FuseTest


class Closing(FuseTest):
    """Network file systems and quotas report lost data when a file is closed."""

    def test_a_close_fails(self):
        self.fails_at_each("close:{}:EIO", [REPLACE, REPLACED_BY_FILES])

    def test_data_are_lost_at_the_close(self):
        self.fails_at_each("close-drop:{}:EDQUOT", [NEW, REPLACE])

    def test_every_close_fails(self):
        for write in WRITES:
            for error in ("EIO", "EDQUOT", "ENOSPC"):
                with self.subTest(write=write.name, error=error), \
                        self.mounted(f"close:1+:{error}", write=write) as mount:
                    ended = self.store(write, mount.path)
                    self.assertEqual(ended.code, 1, ended.errors)
                    self.check_end(write, mount, ended)
                    self.check_next_writes(write, mount)

    def test_data_are_lost_silently(self):
        """Before publishing, the sizes of files are compared with the written sizes."""
        for n in range(1, 1 + 6):
            with self.subTest(n=n), self.mounted(f"close-drop:{n}:ok",
                                                 write=REPLACE) as mount:
                ended = self.store(REPLACE, mount.path)
                self.assertTrue(mount.injected())
                self.check_end(REPLACE, mount, ended)
                self.check_next_writes(REPLACE, mount)


class Flushing(FuseTest):
    def test_a_flush_fails(self):
        self.fails_at_each("fsync:{}:EIO", [REPLACE, FILES])

    def test_a_flush_of_a_directory_fails(self):
        self.fails_at_each("fsyncdir:{}:EIO", [REPLACE, MEMBER])

    def test_directories_cannot_be_flushed(self):
        self.succeeds("fsyncdir:1+:EINVAL")

    def test_everything_is_flushed_before_the_array_is_published(self):
        for write in WRITES:
            with self.subTest(write=write.name), self.mounted(write=write) as mount:
                self.assertEqual(self.store(write, mount.path).code, 0)
                lines = [line.split() for line in mount.lines() if line.endswith(" ok")]
                name = "/" + write.target + "/zarr.json"
                published = max(i for i, line in enumerate(lines) if line[0] == "rename" and name.startswith(line[2]))
                written = {line[1]: i for i, line in enumerate(lines) if line[0] in ("write", "truncate")}
                flushed = {line[1]: i for i, line in enumerate(lines[:published]) if line[0] == "fsync"}
                # Temporary files of the program no longer exist.
                chunks = [path for path in written if mount.source.joinpath(path[1:]).exists()]
                self.assertGreaterEqual(len(chunks), 6, "chunks are written at their final paths")
                not_flushed = [path for path in chunks if flushed.get(path, -1) < written[path]]
                self.assertEqual(not_flushed, [])
                metadata = lines[published][1]
                self.assertGreater(flushed.get(metadata, -1), written[metadata])
                made = {line[1].rpartition("/")[0] or "/": i for i, line in enumerate(lines[:published])
                        if line[0] in ("create", "mkdir")}
                flushed = {line[1]: i for i, line in enumerate(lines) if line[0] == "fsyncdir"}
                there = [path for path in made if mount.source.joinpath(path[1:]).exists()]
                self.assertEqual([path for path in there if flushed.get(path, -1) < made[path]], [])


class Writing(FuseTest):
    def test_a_write_fails(self):
        self.fails_at_each("write:{}:ENOSPC", [REPLACE])
        self.fails_at_each("write:{}:ENOSPC", [FILES], every=3)

    def test_a_directory_or_file_cannot_be_created(self):
        self.fails_at_each("create:{}:EACCES", [REPLACE])
        self.fails_at_each("mkdir:{}:EDQUOT", [REPLACE, MEMBER])

    def test_a_rename_fails(self):
        for write in (NEW, REPLACE, FILES):
            with self.subTest(write=write.name), self.mounted("rename:1:EIO", write=write) as mount:
                ended = self.store(write, mount.path)
                self.assertTrue(mount.injected())
                self.assertEqual(ended.code, 1, ended.errors)
                self.check_end(write, mount, ended)
                self.check_next_writes(write, mount)


class Renaming(FuseTest):
    def test_rename_flags_are_not_supported(self):
        self.succeeds("no-rename-flags", is_hit=False)

    def test_directories_cannot_be_renamed(self):
        for error in ("EXDEV", "EBUSY", "EPERM"):
            with self.subTest(error=error):
                self.succeeds(f"no-rename-directory:{error}", is_hit=False)


class Reading(FuseTest):
    def test_a_chunk_cannot_be_read(self):
        with self.mounted(write=REPLACE) as mount:
            files = [path.relative_to(mount.source) for path in mount.source.rglob("*") if path.is_file()]
        chunk = next(str(path) for path in sorted(files) if path.name != "zarr.json")
        for path, tasks in [
            (chunk, (["verify"], ["export", "-o", "a.npy"], ["reduce", "--stats", "mean"])),
            ("a.zarr/zarr.json", (["verify"], ["export", "-o", "a.npy"], ["reduce", "--stats", "mean"], ["info"])),
        ]:
            for task in tasks:
                with self.subTest(path=path, task=task[0]), \
                        self.mounted(f"read:1+:EIO:/{path}", write=REPLACE) as mount:
                    ended = self.end(self.start([LAZY, task[0], mount.path / "a.zarr", *task[1:]]))
                    self.assertTrue(mount.injected())
                    self.assertEqual(ended.code, 1, ended.errors)
                    self.assertIn(path.removeprefix("a.zarr/"), ended.errors)
                    self.assertFalse(self.path("a.npy").exists())

    def test_an_input_cannot_be_read(self):
        for first in (1, 3):
            with self.subTest(first=first), self.mounted(f"read:{first}+:EIO:b.npy", write=NEW) as mount:
                for name in ("a", "b"):
                    # More than the system reads ahead.
                    np.save(mount.source / f"{name}.npy", np.ones((500, 1000)))
                inputs = [mount.path / "a.npy", mount.path / "b.npy"]
                ended = self.end(self.start([LAZY, "store", *inputs, "-o", mount.path / "a.zarr", "--quiet"]))
                self.assertTrue(mount.injected())
                self.assertEqual(ended.code, 1, ended.errors)
                self.assertIn("b.npy", ended.errors)
                self.assertIsNone(self.found(NEW, mount.source))
