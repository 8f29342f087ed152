"""Two writers of the same target, on two mounts of one directory."""

from mounts import NEW, REPLACE, REPLACED_BY_FILES, FuseTest


class Races(FuseTest):
    """One writer pauses before an operation while another one runs to its end."""

    def races(self, write, *faults, every, crashed_before=None):
        def check(mount, first):
            with self.mounted_again(mount, *faults) as second:
                ended = {3: self.store(write, second.path, 3)}
                if ended[3].code == 0:
                    self.assertEqual(self.found(write, mount.source), 3)
                mount.resume()
                ended[2] = self.end(first)
                second.wait_until_closed()
                self.check_race(write, mount, ended)

        self.at_each_pause(check, write, *faults, every=every, crashed_before=crashed_before)

    def check_race(self, write, mount, ended):
        for one in ended.values():
            # 4: the array was stored, but replaced before its size was computed.
            self.assertIn(one.code, (0, 1, 4), one.errors)
            self.assertEqual(one.errors.startswith("lazy: "), one.code != 0, one.errors)
        winners = [version for version, one in ended.items() if one.code != 1]
        found = self.found(write, mount.source)
        if winners:
            self.assertIn(found, winners, ended)
        else:
            self.assertEqual(found, 1 if write.replaces else None, ended)
        self.check_next_writes(write, mount)

    def test_two_writers_with_shared_locks(self):
        self.races(REPLACE, every=3)

    def test_two_writers_with_local_locks(self):
        self.races(REPLACE, "local-flock", every=2)
        self.races(NEW, "local-flock", every=3)
        self.races(REPLACED_BY_FILES, "local-flock", every=4)

    def test_two_writers_after_a_third_one_crashed(self):
        self.races(REPLACE, "local-flock", every=3, crashed_before=20)

    def test_two_writers_without_locks(self):
        self.races(REPLACE, "flock:1+:ENOSYS", every=3)

    def test_two_writers_at_the_same_time(self):
        for _ in range(6):
            with self.mounted("local-flock", write=REPLACE) as mount, \
                    self.mounted_again(mount, "local-flock") as second:
                writers = {2: self.start_store(REPLACE, mount.path), 3: self.start_store(REPLACE, second.path, 3)}
                ended = {version: self.end(process) for version, process in writers.items()}
                second.wait_until_closed()
                with self.subTest(ended=ended):
                    self.check_race(REPLACE, mount, ended)
