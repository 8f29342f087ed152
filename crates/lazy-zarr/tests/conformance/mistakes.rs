//! The mistakes of file systems, and the cases that find them.

/// The local file system with one mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Broken {
    /// No mistake.
    Nothing,
    /// Every operation panics.
    Panics,

    /// `kind` of nothing is an error.
    KindOfNothingFails,
    /// `kind` of an empty file is `Other`.
    KindOfEmptyFiles,
    /// `kind` of a directory is `File`.
    KindOfDirectories,
    /// `kind` of a path below a file is an error.
    KindFailsBelowFiles,
    /// `kind` of the directories above the temporary one is `None`.
    EndsAbove,
    /// `entry_kind` makes the same four mistakes as `kind`.
    EntryKindOfNothingFails,
    EntryKindOfEmptyFiles,
    EntryKindOfDirectories,
    EntryKindFailsBelowFiles,

    /// `canonicalize` returns a relative path.
    CanonicalizesToRelative,
    /// `canonicalize` of a file returns its directory.
    CanonicalizesToDirectories,
    /// `canonicalize` makes paths longer.
    CanonicalizesToLonger,
    /// `canonicalize` returns the path that it is given.
    KeepsDots,
    /// `canonicalize` does not check that the path exists.
    CanonicalizesNothing,

    /// `list` returns whole paths.
    ListsPaths,
    /// `list` returns a name in an empty directory that is called `child`.
    ListsGhosts,
    /// `list` of nothing is empty.
    ListsNothing,
    /// `list` of nothing is an error of another kind.
    ListsWithoutKind,
    /// `list` of a file is empty.
    ListsFiles,

    /// `read` returns at most 64 KiB.
    ReadsOneBuffer,
    /// `read` ignores the length.
    ReadsOn,
    /// `read` ignores the offset.
    ReadsFromTheBeginning,
    /// `read` fails if there are fewer bytes than the length.
    ReadsExactly,
    /// `read` fails if the file ends before the offset.
    ReadsNothingBeyond,
    /// `read` of nothing is an error of another kind.
    ReadsWithoutKind,
    /// `read` of a directory is empty.
    ReadsDirectories,

    /// `read_into` fills one buffer.
    FillsOneBuffer,
    /// `read_into` ignores the offset.
    FillsFromTheBeginning,
    /// `read_into` fails if the buffers are not filled.
    FillsExactly,
    /// `read_into` of nothing is an error of another kind.
    FillsWithoutKind,
    /// `read_into` of a directory reads no bytes.
    FillsFromDirectories,

    /// `size` counts blocks of 512 bytes.
    SizesBlocks,
    /// `size` of nothing is an error of another kind.
    SizesWithoutKind,
    /// `size` of a directory is a number.
    SizesDirectories,

    /// A pin is at no file.
    PinsNothing,
    /// A pin is at its path, whatever file is there.
    PinsPaths,
    /// A pin is at a file of the same length.
    PinsLengths,
    /// A pin is at a file with the same bytes.
    PinsBytes,
    /// A pin is at any file with the same number, and numbers repeat after this many files.
    PinsNumbers(usize),
    /// A pin is at its file after bytes were appended.
    PinsLongerFiles,
    /// A pin at a path without a file returns false instead of an error.
    PinsAreNowhere,
    /// A pin is at a directory.
    PinsAreAtDirectories,
    /// `pin` of nothing succeeds.
    PinsAbsentFiles,
    /// `pin` of nothing is an error of another kind.
    PinsWithoutKind,
    /// `pin` of a directory succeeds.
    PinsDirectories,

    /// `create_directory` creates nothing.
    MakesNoDirectory,
    /// `create_directory` of a directory succeeds.
    MakesAgain,
    /// `create_directory` creates the directories above.
    MakesDirectoriesAbove,
    /// `create_directory` below a file fails with `AlreadyExists`.
    ExistsBelowFiles,
    /// `create_directories` creates only the last directory.
    MakesLastDirectory,
    /// `create_directories` fails if the path exists.
    MakesAllNew,
    /// `create_directories` through a file succeeds.
    MakesNoneBelowFiles,

    /// `write` loses the last byte.
    WritesShort,
    /// `write` creates the directory.
    MakesParents,
    /// `write` below a file succeeds.
    WritesBelowFiles,
    /// `write` overwrites a file.
    Overwrites,
    /// `write` to an existing path is an error of another kind.
    WritesWithoutKind,
    /// `write` replaces an empty directory.
    WritesOverDirectories,
    /// `write` fails for names that are not ASCII.
    WritesAscii,

    /// `write_slices` writes one slice.
    WritesOneSlice,
    /// `write_slices` creates the directory.
    MakesParentsOfSlices,
    /// `write_slices` below a file succeeds.
    WritesSlicesBelowFiles,
    /// `write_slices` overwrites a file.
    OverwritesWithSlices,

    /// `append` fails if there is no file.
    AppendsToFiles,
    /// `append` overwrites the file.
    Truncates,
    /// `append` creates the directory.
    AppendsMakingParents,
    /// `append` below a file succeeds.
    AppendsBelowFiles,
    /// `append` to a directory succeeds.
    AppendsToDirectories,

    /// `remove_file` removes nothing.
    KeepsFiles,
    /// `remove_file` of nothing succeeds.
    RemovesNoFile,
    /// `remove_file` removes empty directories.
    RemovesAnything,
    /// `remove_directory` removes nothing.
    KeepsDirectories,
    /// `remove_directory` removes the contents of the directory as well.
    RemovesFullDirectories,
    /// `remove_directory` of nothing succeeds.
    RemovesNoDirectory,
    /// `remove_directory` of nothing is an error of another kind.
    RemovesWithoutKind,
    /// `remove_directory` removes files.
    RemovesFiles,

    /// `lock` always succeeds.
    LocksNothing,
    /// `lock` of a locked file is an error of another kind.
    LocksWithoutKind,
    /// A lock is not released.
    KeepsLocks,
    /// `lock` writes to the file.
    LocksWriting,
    /// `lock` of the file `other` fails with `WouldBlock`.
    LocksOneFile,
    /// A lock belongs to the path, not the file.
    LocksPaths,
    /// `lock` creates a file.
    LocksCreating,
    /// `lock` of a directory succeeds.
    LocksDirectories,
    /// `lock_scope` fails.
    ForgetsScopes,
    /// `modified` goes back with each change.
    TurnsTimeBack,
    /// `modified` of nothing is a time.
    TimesNothing,

    /// `rename_directory` leaves the inner directory behind.
    MovesHalf,
    /// `rename_directory` fails if the target is an empty directory.
    ReplacesNothing,
    /// `rename_directory` replaces a full directory.
    ReplacesFull,
    /// `rename_directory` replaces a file.
    ReplacesFiles,
    /// `rename_directory` of nothing succeeds.
    MovesNothing,
    /// `rename_directory` of nothing is an error of another kind.
    MovesWithoutKind,
    /// `rename_directory` moves files.
    MovesFiles,

    /// `rename_file` and `rename_new_file` copy.
    CopiesFiles,
    /// `rename_file` and `rename_new_file` need both paths in one directory.
    RenamesInPlace,
    /// `rename_file` fails if the target exists.
    RenamesToNothing,
    /// `rename_file` removes the old file first.
    RemovesFirst,
    /// `rename_file` overwrites the old file.
    RewritesFiles,
    /// `rename_file` and `rename_new_file` of nothing succeed.
    RenamesNothing,
    /// `rename_file` and `rename_new_file` create the directory.
    RenamesMakingParents,
    /// `rename_file` and `rename_new_file` to a path below a file succeed.
    RenamesBelowFiles,
    /// `rename_file` and `rename_new_file` move directories.
    RenamesDirectories,
    /// `rename_file` replaces an empty directory.
    RenamesOverDirectories,
    /// `rename_new_file` replaces a file.
    RenamesOverFiles,
    /// `copy_permissions` copies the bytes.
    CopiesBytes,
    /// `have_same_permissions` is always false.
    SeesOtherPermissions,
    /// `check_replaceable` always fails.
    ReplacesNoFile,

    /// Flushing fails.
    FlushesFail,
    /// Flushing nothing succeeds.
    FlushesNothing,
    /// Flushing a file as a directory succeeds.
    FlushesFilesAsDirectories,
}

use Broken::*;

/// The mistakes, and the names of the cases that find them. A list is complete unless it ends in
/// `...`.
pub(crate) const MISTAKES: &[(Broken, &[&str])] = &[
    (Nothing, &[]),
    (KindOfNothingFails, &["kind::of_nothing_is_none", "..."]),
    (KindOfEmptyFiles, &["kind::of_a_file"]),
    (KindOfDirectories, &["kind::of_a_directory", "..."]),
    (KindFailsBelowFiles, &["kind::below_a_file_is_none"]),
    (EndsAbove, &["kind::of_all_above_is_a_directory"]),
    (EntryKindOfNothingFails, &["entry_kind::of_nothing_is_none"]),
    (EntryKindOfEmptyFiles, &["entry_kind::of_a_file"]),
    (EntryKindOfDirectories, &["entry_kind::of_a_directory"]),
    (EntryKindFailsBelowFiles, &["entry_kind::below_a_file_is_none"]),
    (CanonicalizesToRelative, &["canonicalize::is_absolute", "..."]),
    (CanonicalizesToDirectories, &["canonicalize::leads_to_the_same"]),
    (CanonicalizesToLonger, &["canonicalize::twice_is_once", "canonicalize::resolves_dots"]),
    (KeepsDots, &["canonicalize::resolves_dots"]),
    (CanonicalizesNothing, &["canonicalize::of_nothing_fails"]),
    (ListsPaths, &["list::gives_the_names", "..."]),
    (ListsGhosts, &["list::of_an_empty_directory_is_empty", "..."]),
    (ListsNothing, &["list::of_nothing_is_not_found"]),
    (ListsWithoutKind, &["list::of_nothing_is_not_found"]),
    (ListsFiles, &["list::of_a_file_fails"]),
    (ReadsOneBuffer, &["read::whole"]),
    (ReadsOn, &["read::up_to_a_length"]),
    (
        ReadsFromTheBeginning,
        &["read::from_an_offset", "read::up_to_a_length", "read::ends_with_the_file"],
    ),
    (ReadsExactly, &["read::of_an_empty_file", "read::ends_with_the_file"]),
    (ReadsNothingBeyond, &["read::ends_with_the_file"]),
    (ReadsWithoutKind, &["read::of_nothing_is_not_found", "read::below_a_file_is_not_found"]),
    (ReadsDirectories, &["read::of_a_directory_fails"]),
    (
        FillsOneBuffer,
        &[
            "read_into::fills_one_buffer_after_the_other",
            "read_into::from_an_offset",
            "read_into::ends_with_the_file",
        ],
    ),
    (FillsFromTheBeginning, &["read_into::from_an_offset", "read_into::ends_with_the_file"]),
    (FillsExactly, &["read_into::ends_with_the_file"]),
    (
        FillsWithoutKind,
        &["read_into::of_nothing_is_not_found", "read_into::below_a_file_is_not_found"],
    ),
    (FillsFromDirectories, &["read_into::of_a_directory_fails"]),
    (SizesBlocks, &["size::of_a_file"]),
    (SizesWithoutKind, &["size::of_nothing_is_not_found", "size::below_a_file_is_not_found"]),
    (SizesDirectories, &["size::of_a_directory_fails"]),
    (
        PinsNothing,
        &["pin::recognizes_the_file", "pin::recognizes_the_file_where_it_was_moved", "..."],
    ),
    (
        PinsPaths,
        &["pin::recognizes_the_file_where_it_was_moved", "pin::tells_a_replacement_apart", "..."],
    ),
    (
        PinsLengths,
        &[
            "pin::tells_another_file_apart",
            "pin::tells_a_replacement_of_the_same_bytes_apart",
            "...",
        ],
    ),
    (
        PinsBytes,
        &[
            "pin::tells_another_file_apart",
            "pin::tells_a_replacement_of_the_same_bytes_apart",
            "...",
        ],
    ),
    (
        PinsNumbers(2),
        &["pin::tells_later_replacements_apart", "pin::tells_a_file_that_was_created_again_apart"],
    ),
    (
        PinsNumbers(3),
        &["pin::tells_later_replacements_apart", "pin::tells_a_file_that_was_created_again_apart"],
    ),
    (PinsLongerFiles, &["pin::tells_that_bytes_were_appended", "..."]),
    (
        PinsAreNowhere,
        &["pin::recognizes_the_file_where_it_was_moved", "pin::where_nothing_lies_is_not_found"],
    ),
    (PinsAreAtDirectories, &["pin::tells_a_directory_in_its_place_apart"]),
    (PinsAbsentFiles, &["pin::of_nothing_is_not_found", "pin::below_a_file_is_not_found"]),
    (PinsWithoutKind, &["pin::of_nothing_is_not_found", "pin::below_a_file_is_not_found"]),
    (PinsDirectories, &["pin::of_a_directory_fails"]),
    (MakesNoDirectory, &["create_directory::makes_one", "..."]),
    (
        MakesAgain,
        &[
            "create_directory::where_something_lies_already_exists",
            "create_directory::one_of_several_threads_succeeds",
        ],
    ),
    (MakesDirectoriesAbove, &["create_directory::below_nothing_is_not_found"]),
    (ExistsBelowFiles, &["create_directory::below_a_file_fails"]),
    (
        MakesLastDirectory,
        &[
            "create_directories::makes_those_above",
            "create_directories::from_several_threads",
            "...",
        ],
    ),
    (
        MakesAllNew,
        &[
            "create_directories::may_exist",
            "create_directories::from_several_threads",
            "rename_file::takes_the_place_of_a_file",
        ],
    ),
    (MakesNoneBelowFiles, &["create_directories::through_a_file_fails"]),
    (WritesShort, &["write::makes_a_whole_file", "write::from_several_threads", "..."]),
    (MakesParents, &["write::without_a_directory_is_not_found"]),
    (WritesBelowFiles, &["write::below_a_file_fails"]),
    (
        Overwrites,
        &["write::an_existing_file_already_exists", "write::one_of_several_threads_succeeds"],
    ),
    (
        WritesWithoutKind,
        &[
            "write::an_existing_file_already_exists",
            "write::an_existing_directory_already_exists",
            "write::one_of_several_threads_succeeds",
        ],
    ),
    (WritesOverDirectories, &["write::an_existing_directory_already_exists"]),
    (WritesAscii, &["write::takes_names_of_all_kinds"]),
    (WritesOneSlice, &["write_slices::one_after_the_other"]),
    (MakesParentsOfSlices, &["write_slices::without_a_directory_is_not_found"]),
    (WritesSlicesBelowFiles, &["write_slices::below_a_file_fails"]),
    (OverwritesWithSlices, &["write_slices::where_something_lies_already_exists"]),
    (AppendsToFiles, &["append::makes_a_file"]),
    (Truncates, &["append::keeps_what_is_there"]),
    (AppendsMakingParents, &["append::without_a_directory_is_not_found"]),
    (AppendsBelowFiles, &["append::below_a_file_fails"]),
    (AppendsToDirectories, &["append::to_a_directory_fails"]),
    (KeepsFiles, &["remove_file::removes_it_alone", "..."]),
    (RemovesNoFile, &["remove_file::of_nothing_is_not_found"]),
    (RemovesAnything, &["remove_file::of_a_directory_fails"]),
    (KeepsDirectories, &["remove_directory::removes_an_empty_one"]),
    (RemovesFullDirectories, &["remove_directory::of_a_full_one_fails"]),
    (RemovesNoDirectory, &["remove_directory::of_nothing_is_not_found"]),
    (RemovesWithoutKind, &["remove_directory::of_nothing_is_not_found"]),
    (RemovesFiles, &["remove_directory::of_a_file_fails"]),
    (
        LocksNothing,
        &[
            "lock::keeps_others_out",
            "lock::stays_with_a_file_whose_directory_is_moved",
            "lock::is_held_by_one_thread_at_a_time",
        ],
    ),
    (
        LocksWithoutKind,
        &["lock::keeps_others_out", "lock::stays_with_a_file_whose_directory_is_moved", "..."],
    ),
    (
        KeepsLocks,
        &[
            "lock::is_released_when_dropped",
            "lock::stays_with_a_file_whose_directory_is_moved",
            "lock::is_held_by_one_thread_at_a_time",
        ],
    ),
    (LocksWriting, &["lock::changes_nothing"]),
    (LocksOneFile, &["lock::of_two_files"]),
    (LocksPaths, &["lock::stays_with_a_file_whose_directory_is_moved"]),
    (LocksCreating, &["lock::of_nothing_is_not_found"]),
    (LocksDirectories, &["lock::of_a_directory_fails"]),
    (ForgetsScopes, &["lock_scope::is_known"]),
    (TurnsTimeBack, &["modified::is_not_earlier_after_a_change"]),
    (TimesNothing, &["modified::of_nothing_is_not_found"]),
    (
        MovesHalf,
        &[
            "rename_directory::to_nothing",
            "rename_directory::to_an_empty_directory",
            "rename_directory::one_of_several_threads_succeeds",
        ],
    ),
    (ReplacesNothing, &["rename_directory::to_an_empty_directory"]),
    (ReplacesFull, &["rename_directory::to_a_full_directory_fails"]),
    (ReplacesFiles, &["rename_directory::to_a_file_fails"]),
    (
        MovesNothing,
        &[
            "rename_directory::of_nothing_is_not_found",
            "rename_directory::one_of_several_threads_succeeds",
        ],
    ),
    (
        MovesWithoutKind,
        &[
            "rename_directory::of_nothing_is_not_found",
            "rename_directory::one_of_several_threads_succeeds",
        ],
    ),
    (MovesFiles, &["rename_directory::of_a_file_fails"]),
    (
        CopiesFiles,
        &[
            "rename_file::to_nothing",
            "rename_file::to_another_directory",
            "rename_new_file::to_nothing",
            "rename_new_file::to_another_directory",
            "...",
        ],
    ),
    (
        RenamesInPlace,
        &[
            "rename_file::to_another_directory",
            "rename_file::takes_the_place_of_a_file",
            "rename_new_file::to_another_directory",
        ],
    ),
    (
        RenamesToNothing,
        &["rename_file::takes_the_place_of_a_file", "rename_file::replaces_in_one_step", "..."],
    ),
    (RemovesFirst, &["rename_file::replaces_in_one_step"]),
    (RewritesFiles, &["rename_file::replaces_in_one_step"]),
    (
        RenamesNothing,
        &["rename_file::of_nothing_is_not_found", "rename_new_file::of_nothing_is_not_found"],
    ),
    (
        RenamesMakingParents,
        &["rename_file::below_nothing_is_not_found", "rename_new_file::below_nothing_is_not_found"],
    ),
    (
        RenamesBelowFiles,
        &["rename_file::below_a_file_fails", "rename_new_file::below_a_file_fails"],
    ),
    (
        RenamesDirectories,
        &["rename_file::of_a_directory_fails", "rename_new_file::of_a_directory_fails"],
    ),
    (RenamesOverDirectories, &["rename_file::to_a_directory_fails"]),
    (RenamesOverFiles, &["rename_new_file::keeps_what_is_there"]),
    (CopiesBytes, &["copy_permissions::changes_no_bytes"]),
    (SeesOtherPermissions, &["have_same_permissions::of_one_with_itself"]),
    (ReplacesNoFile, &["check_replaceable::of_a_new_file"]),
    (
        FlushesFail,
        &[
            "sync_file::changes_nothing",
            "sync_directory::changes_nothing",
            "sync_file_system::succeeds_or_is_unsupported",
        ],
    ),
    (FlushesNothing, &["sync_file::of_nothing_fails", "sync_directory::of_nothing_fails"]),
    (FlushesFilesAsDirectories, &["sync_directory::of_a_file_fails"]),
];
