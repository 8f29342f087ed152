//! The parts of a Markdown document that name something in the tree.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

#[derive(Debug, Default)]
pub(super) struct Document {
    /// The targets of links and images that are paths, without fragments.
    pub(super) links: Vec<String>,
    pub(super) code_spans: Vec<CodeSpan>,
    /// The texts of fenced blocks, in any language.
    pub(super) code_blocks: Vec<String>,
}

/// A code span outside of headings.
#[derive(Debug)]
pub(super) struct CodeSpan {
    pub(super) text: String,
    /// The first code span of the heading above, or nothing.
    pub(super) section: String,
}

impl Document {
    pub(super) fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let parser = Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES);
        // Also those that no link uses.
        for (_, definition) in parser.reference_definitions().iter() {
            document.links.extend(path_of(&definition.dest));
        }
        let mut section = String::new();
        let mut is_heading = false;
        // The text of the block that is open.
        let mut block = None::<String>;
        for event in parser {
            match event {
                Event::Start(Tag::Heading { .. }) => (section, is_heading) = (String::new(), true),
                Event::End(TagEnd::Heading(_)) => is_heading = false,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.extend(path_of(&dest_url));
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => {
                    block = Some(String::new());
                }
                Event::End(TagEnd::CodeBlock) => document.code_blocks.extend(block.take()),
                Event::Text(text) => {
                    if let Some(block) = &mut block {
                        block.push_str(&text);
                    }
                }
                Event::Code(span) => {
                    let above = if is_heading { "" } else { &section };
                    let span = CodeSpan { text: span.to_string(), section: above.to_owned() };
                    if is_heading && section.is_empty() {
                        section.clone_from(&span.text);
                    }
                    document.code_spans.push(span);
                }
                _ => {}
            }
        }
        document
    }
}

/// Returns the path that a link leads to, if it stays in the repository and leaves the document.
fn path_of(link: &str) -> Option<String> {
    // Rustdoc reads names of items in links.
    let leaves = ["://", "::", "mailto:"].iter().any(|word| link.contains(word));
    let path = link.split('#').next().filter(|path| !path.is_empty() && !leaves)?;
    Some(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_wherever_markdown_has_them() {
        let text = "[a](a.md#part) and ![b](b.png), [c][], [d](https://e.org/d.md), [e](#e),
            `[f](f.md)`, [g](crate::G)\n\n[c]: c/\n[unused]: u.md\n\n```\n[h](h.md)\n```\n";
        let mut links = Document::parse(text).links;
        links.sort();
        links.dedup();
        assert_eq!(links, ["a.md", "b.png", "c/", "u.md"]);
    }

    #[test]
    fn code_spans_know_the_directory_of_their_section() {
        let text =
            "`a.rs`\n\n# In `crates/x`\n\n| `b.rs` |\n|---|\n| `c/` |\n\n# Others\n\n`d.rs`\n";
        let document = Document::parse(text);
        let spans: Vec<_> = document
            .code_spans
            .iter()
            .map(|span| (span.text.as_str(), span.section.as_str()))
            .collect();
        let at_root = |text| (text, "");
        let below = |text| (text, "crates/x");
        let expected =
            [at_root("a.rs"), at_root("crates/x"), below("b.rs"), below("c/"), at_root("d.rs")];
        assert_eq!(spans, expected);
    }

    #[test]
    fn code_blocks_are_read_as_they_are() {
        let text =
            "```rust\nfn main() {}\n\n// `x`\n```\n\n```sh\nls\n```\n\n```rust,no_run\na\n```\n";
        let blocks = Document::parse(text).code_blocks;
        assert_eq!(blocks, ["fn main() {}\n\n// `x`\n", "ls\n", "a\n"]);
    }
}
