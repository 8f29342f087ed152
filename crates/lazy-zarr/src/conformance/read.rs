//! Cases of the operations that read directories and files.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IoSliceMut};
use std::mem;
use std::path::{Path, PathBuf};

use super::check::{CaseResult, NamedCheck, expect_equal, expect_error, expect_error_kind};
use crate::fs::FileSystem;

pub(super) const CASES: &[NamedCheck] = &[
    ("list::gives_the_names", list_names),
    ("list::of_an_empty_directory_is_empty", list_empty),
    ("list::of_nothing_is_not_found", list_nothing),
    ("list::of_a_file_fails", list_file),
    ("read::whole", read_whole),
    ("read::of_an_empty_file", read_empty),
    ("read::from_an_offset", read_offset),
    ("read::up_to_a_length", read_length),
    ("read::ends_with_the_file", read_past_the_end),
    ("read::of_nothing_is_not_found", read_nothing),
    ("read::below_a_file_is_not_found", read_below_a_file),
    ("read::of_a_directory_fails", read_directory),
    ("read_into::fills_one_buffer_after_the_other", read_into_buffers),
    ("read_into::from_an_offset", read_into_offset),
    ("read_into::ends_with_the_file", read_into_past_the_end),
    ("read_into::of_nothing_is_not_found", read_into_nothing),
    ("read_into::below_a_file_is_not_found", read_into_below_a_file),
    ("read_into::of_a_directory_fails", read_into_directory),
    ("size::of_a_file", size_of_a_file),
    ("size::of_nothing_is_not_found", size_of_nothing),
    ("size::below_a_file_is_not_found", size_below_a_file),
    ("size::of_a_directory_fails", size_of_a_directory),
    ("modified::is_not_earlier_after_a_change", modified_after_a_change),
    ("modified::of_nothing_is_not_found", modified_of_nothing),
];

fn list_names(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directories(&directory.join("child/grandchild"))?;
    file_system.create_directory(&directory.join("empty"))?;
    file_system.write(&directory.join("file"), b"bytes")?;
    file_system.write(&directory.join("child/file of the child"), b"bytes")?;
    let mut names = file_system.list(directory)?;
    names.sort();
    expect_equal("the names", names, ["child", "empty", "file"].map(OsString::from).to_vec())
}

fn list_empty(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let child = directory.join("child");
    file_system.create_directory(&child)?;
    expect_equal("the names", file_system.list(&child)?, vec![])
}

fn list_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for path in ["nothing", "nothing/inner"] {
        expect_error_kind(path, file_system.list(&directory.join(path)), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn list_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    file_system.write(&path, b"bytes")?;
    expect_error("a file", file_system.list(&path))
}

fn read_whole(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    // The file is larger than any intermediate buffer.
    let bytes: Vec<u8> = (0..300_001_u32).map(|i| (i % 251) as u8).collect();
    file_system.write(&path, &bytes)?;
    let read = file_system.read(&path, 0, None)?;
    expect_equal("the number of bytes", read.len(), bytes.len())?;
    expect_equal(
        "the first byte that differs",
        read.iter().zip(&bytes).position(|(a, b)| a != b),
        None,
    )
}

fn read_empty(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("empty");
    file_system.write(&path, b"")?;
    expect_equal("the whole", &*file_system.read(&path, 0, None)?, b"")?;
    expect_equal("up to a byte", &*file_system.read(&path, 0, Some(1))?, b"")
}

fn read_offset(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    expect_equal("from byte 1 on", &*file_system.read(&path, 1, None)?, b"123456789")?;
    expect_equal("from byte 9 on", &*file_system.read(&path, 9, None)?, b"9")
}

fn read_length(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    expect_equal("3 bytes", &*file_system.read(&path, 0, Some(3))?, b"012")?;
    expect_equal("3 bytes from byte 4 on", &*file_system.read(&path, 4, Some(3))?, b"456")?;
    expect_equal("no bytes", &*file_system.read(&path, 4, Some(0))?, b"")?;
    expect_equal("all bytes", &*file_system.read(&path, 0, Some(10))?, b"0123456789")
}

fn read_past_the_end(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    expect_equal("11 bytes", &*file_system.read(&path, 0, Some(11))?, b"0123456789")?;
    expect_equal("many bytes", &*file_system.read(&path, 7, Some(u64::MAX))?, b"789")?;
    expect_equal("from the end on", &*file_system.read(&path, 10, None)?, b"")?;
    expect_equal("a byte from the end on", &*file_system.read(&path, 10, Some(1))?, b"")?;
    expect_equal("from beyond the end on", &*file_system.read(&path, 11, None)?, b"")?;
    for offset in [4096, 1 << 63, u64::MAX] {
        for length in [None, Some(1), Some(u64::MAX)] {
            let what = format!("from byte {offset} on, up to {length:?} bytes");
            expect_equal(&what, &*file_system.read(&path, offset, length)?, b"")?;
        }
    }
    Ok(())
}

fn read_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for path in ["nothing", "nothing/inner"] {
        let read = file_system.read(&directory.join(path), 0, None);
        expect_error_kind(path, read, ErrorKind::NotFound)?;
    }
    Ok(())
}

fn read_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?.join("inner");
    expect_error_kind("below a file", file_system.read(&path, 0, None), ErrorKind::NotFound)
}

fn read_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for length in [None, Some(0), Some(1)] {
        expect_error(&format!("length {length:?}"), file_system.read(directory, 0, length))?;
    }
    Ok(())
}

fn read_into_buffers(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    // More buffers than an operating system fills in one call, of different sizes.
    let sizes = || (0..2500_usize).map(|i| i % 7 * (i % 41));
    let bytes: Vec<u8> = (0..sizes().sum()).map(|i: usize| (i % 251) as u8).collect();
    file_system.write(&path, &bytes)?;
    let mut read = vec![0; bytes.len()];
    let mut rest = &mut read[..];
    let mut buffers = Vec::new();
    for size in sizes() {
        let (buffer, later) = mem::take(&mut rest).split_at_mut(size);
        buffers.push(IoSliceMut::new(buffer));
        rest = later;
    }
    let n_bytes = file_system.read_into(&path, 0, &mut buffers)?;
    expect_equal("the number of bytes", n_bytes, bytes.len())?;
    expect_equal(
        "the first byte that differs",
        read.iter().zip(&bytes).position(|(a, b)| a != b),
        None,
    )
}

/// Reads into two buffers of these sizes that are filled with dots, and returns their contents.
fn read_into_dots(
    file_system: &dyn FileSystem,
    path: &Path,
    offset: u64,
    sizes: [usize; 2],
) -> io::Result<(usize, String)> {
    let (mut one, mut other) = (vec![b'.'; sizes[0]], vec![b'.'; sizes[1]]);
    let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
    let n_bytes = file_system.read_into(path, offset, &mut buffers)?;
    Ok((n_bytes, String::from_utf8_lossy(&[one, other].concat()).into_owned()))
}

fn read_into_offset(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    let read = |offset, sizes| read_into_dots(file_system, &path, offset, sizes);
    expect_equal("from byte 4 on", read(4, [1, 3])?, (4, "4567".to_owned()))?;
    expect_equal("from byte 9 on", read(9, [0, 1])?, (1, "9".to_owned()))
}

fn read_into_past_the_end(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    let read = |offset, sizes| read_into_dots(file_system, &path, offset, sizes);
    expect_equal("11 bytes", read(0, [10, 1])?, (10, "0123456789.".to_owned()))?;
    expect_equal("6 bytes from byte 7 on", read(7, [2, 4])?, (3, "789...".to_owned()))?;
    expect_equal("from the end on", read(10, [1, 1])?, (0, "..".to_owned()))?;
    for offset in [11, 4096, 1 << 63, u64::MAX] {
        let what = format!("from byte {offset} on");
        expect_equal(&what, read(offset, [1, 1])?, (0, "..".to_owned()))?;
    }
    Ok(())
}

fn read_into_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for path in ["nothing", "nothing/inner"] {
        let read = read_into_dots(file_system, &directory.join(path), 0, [1, 1]);
        expect_error_kind(path, read, ErrorKind::NotFound)?;
    }
    Ok(())
}

fn read_into_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?.join("inner");
    let read = read_into_dots(file_system, &path, 0, [1, 1]);
    expect_error_kind("below a file", read, ErrorKind::NotFound)
}

fn read_into_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("a directory", read_into_dots(file_system, directory, 0, [1, 1]))
}

fn size_of_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let empty = directory.join("empty");
    file_system.write(&empty, b"")?;
    expect_equal("an empty file", file_system.size(&empty)?, 0)?;
    let path = ten_digits(file_system, directory)?;
    expect_equal("a file of 10 bytes", file_system.size(&path)?, 10)
}

fn size_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    for path in ["nothing", "nothing/inner"] {
        expect_error_kind(path, file_system.size(&directory.join(path)), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn size_below_a_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?.join("inner");
    expect_error_kind("below a file", file_system.size(&path), ErrorKind::NotFound)
}

fn size_of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    expect_error("a directory", file_system.size(directory))
}

fn modified_after_a_change(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = ten_digits(file_system, directory)?;
    let Some(first) = file_system.modified(&path)? else { return Ok(()) };
    let other = directory.join("other");
    file_system.write(&other, b"bytes")?;
    file_system.append(&path, b"more")?;
    for path in [&path, &other] {
        let changed = file_system.modified(path)?;
        if changed.is_none_or(|changed| changed < first) {
            return Err(format!("a time before that of an earlier change: {changed:?}").into());
        }
    }
    Ok(())
}

fn modified_of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    if file_system.modified(&ten_digits(file_system, directory)?)?.is_none() {
        return Ok(());
    }
    expect_error_kind(
        "nothing",
        file_system.modified(&directory.join("nothing")),
        ErrorKind::NotFound,
    )
}

/// Writes a file with the bytes `0123456789`, and returns its path.
fn ten_digits(file_system: &dyn FileSystem, directory: &Path) -> io::Result<PathBuf> {
    let path = directory.join("digits");
    file_system.write(&path, b"0123456789")?;
    Ok(path)
}
