"""File systems without locks or with local locks, and crashed writers."""

from mounts import FILES, MEMBER, NO_LOCKS, REPLACE, REPLACED_BY_FILES, FuseTest


class Locks(FuseTest):
    def test_writes_succeed_without_locks(self):
        for fault in NO_LOCKS:
            with self.subTest(fault=fault):
                self.succeeds(fault)

    def test_writes_succeed_with_local_locks(self):
        self.succeeds("local-flock", is_hit=False)

    def test_writes_succeed_if_a_lock_needs_an_open_file_for_writing(self):
        self.succeeds("flock-needs-writing", is_hit=False)


class Crashes(FuseTest):
    """A writer that was killed does not block the next one on the same machine."""

    def test_crashes_with_locks(self):
        self.crashes(REPLACE, every=2)
        self.crashes(REPLACED_BY_FILES, every=4)

    def test_crashes_without_locks(self):
        self.crashes(REPLACE, NO_LOCKS[0], every=3)
        self.crashes(FILES, NO_LOCKS[1], every=4)
        self.crashes(MEMBER, NO_LOCKS[2], every=4)

    def test_crashes_with_local_locks(self):
        self.crashes(REPLACE, "local-flock", every=4)
