//! What the documents say of the tree holds: paths exist, the map is whole, public types have
//! examples, programs are shown as they are.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

/// The map, whose every path is checked, and in which every module of these crates has a place.
const MAP: &str = "ARCHITECTURE.md";
const MAPPED: [&str; 4] =
    ["crates/lazy-core/src", "crates/lazy-zarr/src", "crates/lazy-tch/src", "crates/lazy-cli/src"];

/// Crates whose every public type has an example in its documentation.
const EXEMPLARY: [&str; 4] =
    ["crates/lazy-core", "crates/lazy-zarr", "crates/lazy-tch", "crates/lazy-chunks"];

/// Programs, and the document that shows each of them whole.
const SHOWN: [(&str, &str); 1] = [("tests/outside/tch/src/main.rs", "README.md")];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let files = cmd!(shell, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    let mut problems = Vec::new();
    let mut n_checked = 0;
    for document in files.lines().filter(|file| file.ends_with(".md")) {
        let text = shell.read_file(document)?;
        let directory = Path::new(document).parent().context("a file has a directory")?;
        let mut paths: Vec<_> = links(&text).map(|link| (link, directory.join(link))).collect();
        if document == MAP {
            paths.extend(map_paths(shell, &text).map(|(path, resolved)| (path, resolved.into())));
        }
        n_checked += paths.len();
        let missing = paths.into_iter().filter(|(_, resolved)| !shell.path_exists(resolved));
        problems.extend(missing.map(|(path, _)| format!("{document}: there is no {path}")));
    }
    let map = shell.read_file(MAP)?;
    for directory in MAPPED {
        for module in modules(files.lines(), directory) {
            if !map.contains(&format!("`{module}`")) {
                problems.push(format!("{MAP}: {directory}/{module} has no place in it"));
            }
        }
    }
    for directory in EXEMPLARY {
        for name in types_without_example(shell, files.lines(), directory)? {
            problems.push(format!("{directory}: the documentation of {name} has no example"));
        }
    }
    for (program, document) in SHOWN {
        let (program_text, text) = (shell.read_file(program)?, shell.read_file(document)?);
        if !rust_blocks(&text).any(|block| block == program_text.trim_end()) {
            problems.push(format!("{document}: no block of Rust is {program}"));
        }
    }
    if !problems.is_empty() {
        bail!("the documents do not fit the tree:\n{}", problems.join("\n"));
    }
    println!("{n_checked} paths exist, every module has its place, every public type its example");
    Ok(())
}

/// The targets of links to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let references = text.lines().filter_map(|line| line.strip_prefix('[')?.split("]: ").nth(1));
    inline
        .chain(references)
        .filter(|link| !link.contains("://") && !link.contains(' '))
        .filter_map(|link| link.split('#').next())
        .filter(|path| !path.is_empty())
}

/// The paths in code spans: as they are written, and from the root. Below a heading that names a
/// directory they are relative to it.
fn map_paths<'t>(shell: &Shell, text: &'t str) -> impl Iterator<Item = (&'t str, String)> {
    let mut base = "";
    text.lines().flat_map(move |line| {
        let spans: Vec<_> = line.split('`').skip(1).step_by(2).filter(|s| is_path(s)).collect();
        if line.starts_with('#') {
            base = spans.first().copied().unwrap_or("");
            return spans.into_iter().map(|span| (span, span.to_owned())).collect::<Vec<_>>();
        }
        let resolve = |span| {
            let below = format!("{base}/{span}");
            if !base.is_empty() && shell.path_exists(&below) { below } else { str::to_owned(span) }
        };
        spans.into_iter().map(|span| (span, resolve(span))).collect()
    })
}

/// The code between fences that begin with the name of the language.
fn rust_blocks(text: &str) -> impl Iterator<Item = &str> {
    let blocks = text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(language, _)| language.starts_with("rust")).map(|(_, code)| code)
}

fn is_path(span: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let is_file = [".rs", ".md", ".toml", ".py", ".txt"].iter().any(|end| span.ends_with(end));
    span.chars().all(is_word) && (is_file || span.contains('/'))
}

/// The modules in a directory of sources: files, and directories with a slash at the end.
fn modules<'f>(files: impl Iterator<Item = &'f str>, directory: &str) -> BTreeSet<String> {
    files
        .filter_map(|file| file.strip_prefix(directory)?.strip_prefix('/'))
        .map(|file| match file.split_once('/') {
            Some((module, _)) => format!("{module}/"),
            None => file.to_owned(),
        })
        .filter(|module| module != "lib.rs")
        .collect()
}

/// The public types and traits of a crate whose documentation holds no code.
fn types_without_example<'f>(
    shell: &Shell,
    files: impl Iterator<Item = &'f str>,
    directory: &str,
) -> Result<Vec<String>> {
    let root = shell.read_file(format!("{directory}/src/lib.rs"))?;
    let exported: BTreeSet<_> = root
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut without = Vec::new();
    let sources = format!("{directory}/src/");
    for file in files.filter(|file| file.starts_with(&sources) && file.ends_with(".rs")) {
        let text = shell.read_file(file)?;
        let mut has_example = false;
        for line in text.lines() {
            if line.starts_with("///") {
                has_example |= line.starts_with("/// ```");
                continue;
            }
            let item = line.strip_prefix("pub ").and_then(|item| item.split_once(' '));
            if let Some(("struct" | "enum" | "trait", rest)) = item {
                let name = rest.split(|letter: char| !letter.is_alphanumeric()).next();
                let name = name.filter(|name| exported.contains(name) && !has_example);
                without.extend(name.map(str::to_owned));
            }
            // Attributes stand between the documentation and the item.
            has_example &= line.starts_with("#[") || line.starts_with("    ") || line == ")]";
        }
    }
    Ok(without)
}
