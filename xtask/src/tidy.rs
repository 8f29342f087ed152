//! The documents agree with the tree: what they name exists, programs are shown as they are, and
//! public types have examples.

mod examples;
mod markdown;

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use markdown::Document;

/// The map, in which code spans may be paths from the directory that their heading names.
const MAP: &str = "ARCHITECTURE.md";

/// Tells of the past, so that its code spans may name files that no longer exist.
const HISTORY: &str = "CHANGELOG.md";

/// Crates whose every public type has an example in its documentation.
const EXEMPLARY: [&str; 4] =
    ["crates/lazy-core", "crates/lazy-zarr", "crates/lazy-tch", "crates/lazy-chunks"];

/// A program, and the document that shows it whole.
const PROGRAM: (&str, &str) = ("tests/outside/tch/src/main.rs", "docs/src/tensors.md");

/// A directory of scripts, and the document that shows each of them whole.
const JOBS: (&str, &str) = ("docs/src/jobs/", "docs/src/workers.md");

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let files = cmd!(shell, "git ls-files --cached --others --exclude-standard").quiet().read()?;
    // A file that was removed may still be in the index.
    let files: Vec<_> = files.lines().filter(|file| shell.path_exists(file)).collect();
    let mut problems = Vec::new();
    let mut n_paths = 0;
    for name in files.iter().filter(|file| file.ends_with(".md")) {
        let text = shell.read_file(name)?;
        let document = Document::parse(&text);
        let paths = paths(shell, name, &document, &files)?;
        n_paths += paths.len();
        let missing = paths.into_iter().filter(|(_, resolved)| !shell.path_exists(resolved));
        problems.extend(missing.map(|(path, _)| format!("{name}: there is no {path}")));
    }
    let jobs = files.iter().filter(|file| file.starts_with(JOBS.0)).map(|job| (*job, JOBS.1));
    for (program, name) in jobs.chain([PROGRAM]) {
        let text = shell.read_file(name)?;
        if !Document::parse(&text).code_blocks.contains(&shell.read_file(program)?) {
            problems.push(format!("{name}: no code block is {program}"));
        }
    }
    for directory in EXEMPLARY {
        let root = format!("{directory}/src/");
        let sources = files.iter().filter_map(|file| Some((*file, file.strip_prefix(&root)?)));
        let sources = sources.filter(|(_, name)| name.ends_with(".rs"));
        let sources = sources
            .map(|(file, name)| Ok((name, shell.read_file(file)?)))
            .collect::<Result<_>>()?;
        let without =
            examples::types_without(&sources).with_context(|| format!("in {directory}"))?;
        let lacks = |name| format!("{directory}: the documentation of {name} has no example");
        problems.extend(without.into_iter().map(lacks));
    }
    if !problems.is_empty() {
        bail!("the documents do not agree with the tree:\n{}", problems.join("\n"));
    }
    println!("{n_paths} paths exist, and every public type has an example");
    Ok(())
}

/// Returns the paths that a document names, as they are written and from the root.
fn paths<'d>(
    shell: &Shell,
    name: &str,
    document: &'d Document,
    files: &[&str],
) -> Result<Vec<(&'d str, String)>> {
    let directory = Path::new(name).parent().context("a file has a directory")?;
    let from_root = |link: &str| directory.join(link).display().to_string();
    let mut paths: Vec<_> =
        document.links.iter().map(|link| (link.as_str(), from_root(link))).collect();
    for span in &document.code_spans {
        let below = format!("{}/{}", span.section, span.text);
        if name == MAP && !span.section.is_empty() && shell.path_exists(&below) {
            paths.push((&span.text, below));
        } else if name == MAP && is_path(&span.text)
            || name != HISTORY && is_in_tree(&span.text, files)
        {
            paths.push((&span.text, span.text.clone()));
        }
    }
    Ok(paths)
}

/// Returns true if a code span of the map is a path.
fn is_path(span: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let is_file = [".rs", ".md", ".toml", ".py", ".txt"].iter().any(|end| span.ends_with(end));
    span.chars().all(is_word) && (is_file || span.contains('/'))
}

/// Returns true if a code span is a path that begins with a directory of this repository.
fn is_in_tree(span: &str, files: &[&str]) -> bool {
    let Some((first, _)) = span.split_once('/') else { return false };
    is_path(span) && files.iter().any(|file| file.split_once('/').is_some_and(|(f, _)| f == first))
}
