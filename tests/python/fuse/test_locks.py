"""File systems without locks, or with locks of each machine's own, and crashed writers."""

import signal

from mounts import FILES, MEMBER, REPLACE, REPLACED_BY_FILES, FuseTest

NO_LOCKS = ["flock:1+:ENOSYS", "flock:1+:EOPNOTSUPP", "flock:1+:ENOLCK"]


class Locks(FuseTest):
    def test_there_are_no_locks(self):
        for fault in NO_LOCKS:
            with self.subTest(fault=fault):
                self.succeeds(fault)

    def test_locks_are_local(self):
        self.succeeds("local-flock", is_hit=False)

    def test_a_lock_needs_a_file_that_is_open_for_writing(self):
        self.succeeds("flock-needs-writing", is_hit=False)


class Crashes(FuseTest):
    """A writer that was killed does not block the next one on the same machine."""

    def crashes(self, write, *faults, every):
        def check(mount, process):
            process.send_signal(signal.SIGKILL)
            # The kernel has passed the operation on, so it is carried out all the same.
            mount.resume()
            self.kill(process)
            self.assertIn(self.found(write, mount.source), [1 if write.replaces else None, 2])
            self.check_next_writes(write, mount, at=mount.path)

        self.at_each_pause(check, write, *faults, every=every)

    def test_with_locks(self):
        self.crashes(REPLACE, every=2)
        self.crashes(REPLACED_BY_FILES, every=4)

    def test_without_locks(self):
        self.crashes(REPLACE, NO_LOCKS[0], every=3)
        self.crashes(FILES, NO_LOCKS[1], every=4)
        self.crashes(MEMBER, NO_LOCKS[2], every=4)

    def test_with_local_locks(self):
        self.crashes(REPLACE, "local-flock", every=4)
