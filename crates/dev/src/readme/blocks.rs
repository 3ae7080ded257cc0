//! The README's examples: a ```sh block with a curl, followed by a ```json block with what it prints.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) command: String,
    pub(crate) printed: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Block {
    language: String,
    text: String,
}

pub(crate) fn examples(markdown: &str) -> Vec<Example> {
    let blocks = blocks(markdown);
    let pairs = blocks.iter().zip(blocks.iter().skip(1));
    pairs
        .filter(|(command, printed)| is_curl(command) && printed.language == "json")
        .map(|(command, printed)| Example { command: command.text.clone(), printed: printed.text.trim().to_owned() })
        .collect()
}

/// Whether some block tells the reader to type this.
pub(crate) fn says(markdown: &str, command: &str) -> bool {
    blocks(markdown).iter().any(|block| block.language == "sh" && block.text.lines().any(|line| line == command))
}

fn is_curl(block: &Block) -> bool {
    block.language == "sh" && block.text.contains("curl ")
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some(Block { language: language.trim().to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# X\n```sh\ncargo dev up\n```\ntext\n```sh\ncurl -s a \\\n  -d b\n```\n\n```json\n{\"id\":\"…\"}\n```\n```sh\ncurl c\n```\n";

    #[test]
    fn a_curl_and_what_it_prints_are_an_example() {
        let expected = Example { command: "curl -s a \\\n  -d b\n".into(), printed: "{\"id\":\"…\"}".into() };
        assert_eq!(examples(README), [expected]);
    }

    #[test]
    fn the_first_command_is_found() {
        assert!(says(README, "cargo dev up"));
        assert!(!says(README, "cargo dev down"));
    }

    #[test]
    fn the_readme_of_this_repository_has_examples() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
        assert!(says(&text, "cargo dev up"));
        assert!(examples(&text).len() >= 5);
    }
}
