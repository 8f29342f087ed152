"""Power failures: files that were not flushed are lost."""

from mounts import FILES, MEMBER, NEW, REPLACE, REPLACED_BY_FILES, WRITES, FuseTest

#: Everything that was not flushed is lost, or only the data.
LOSSES = ["volatile", "volatile-data"]


class Power(FuseTest):
    def test_a_power_failure_after_the_write_loses_nothing(self):
        for loss in LOSSES:
            for write in WRITES:
                with self.subTest(loss=loss, write=write.name), self.mounted(loss, write=write) as mount:
                    ended = self.store(write, mount.path)
                    self.assertEqual(ended.code, 0, ended.errors)
                    mount.fail_power()
                    self.assertEqual(self.found(write, mount.source), 2)
                    self.check_next_writes(write, mount)

    def test_unflushed_files_are_lost(self):
        """Without flushes, the array is lost. This shows that the other tests can fail."""
        for loss in LOSSES:
            with self.subTest(loss=loss), self.mounted(loss) as mount:
                process = self.start([*NEW.command(mount.path, 2), "--no-sync"], 2)
                self.assertEqual(self.end(process).code, 0)
                mount.fail_power()
                files = [path for path in mount.source.rglob("*") if path.is_file()]
                self.assertEqual([path.stat().st_size for path in files], [0] * len(files))
                self.assertEqual(len(files), 0 if loss == "volatile" else 7)

    def fails_in_the_middle(self, write, loss, every):
        def check(mount, process):
            mount.fail_power()
            ended = self.end(process)
            found = self.found(write, mount.source)
            before = 1 if write.replaces else None
            if ended.code == 0:
                self.assertEqual(found, 2)
            self.assertIn(found, [before, 2] if self.is_published(write, mount) else [before])
            self.check_next_writes(write, mount)

        self.at_each_pause(check, write, loss, every=every)

    def test_a_power_failure_during_the_write(self):
        self.fails_in_the_middle(REPLACE, "volatile", every=2)
        self.fails_in_the_middle(NEW, "volatile", every=4)
        self.fails_in_the_middle(FILES, "volatile", every=4)
        self.fails_in_the_middle(MEMBER, "volatile", every=4)

    def test_data_are_lost_during_the_write(self):
        self.fails_in_the_middle(REPLACE, "volatile-data", every=2)
        self.fails_in_the_middle(REPLACED_BY_FILES, "volatile-data", every=4)
