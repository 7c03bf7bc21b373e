//! A comment in its parts, and the comments of two ABIs in one text.

/// The parts of a function's comment, in Markdown: of each, its paragraphs and items.
#[derive(Default)]
pub(crate) struct Comment {
    /// What the function does.
    pub(crate) description: Vec<String>,
    /// What it returns, errors among it. Empty if that is all that it does.
    pub(crate) result: Vec<String>,
    /// Where DAOS has it.
    pub(crate) mirrors: String,
}

impl Comment {
    pub(crate) fn new(text: &str) -> Self {
        let mut comment = Self::default();
        for block in blocks(text) {
            if let Some(mirrors) = block.strip_prefix("(DAOS: ") {
                comment.mirrors = mirrors.trim_end_matches([')', '.']).to_owned();
            } else if !comment.result.is_empty()
                || !comment.description.is_empty() && (block.starts_with("Returns ") || block.starts_with("Errors: "))
            {
                comment.result.push(block);
            } else {
                comment.description.push(block);
            }
        }
        comment
    }

    /// The first sentence without its asides, for a list of pages.
    pub(crate) fn in_a_line(&self) -> String {
        const ENDS: [&str; 12] = [
            ": ",
            "; ",
            " (",
            ", \"",
            ", as ",
            ", before the ",
            ", for ",
            ", in the whole ",
            ", to be ",
            ", when ",
            ", which ",
            ", whose ",
        ];
        let first = self.description.first().and_then(|block| sentences(block).into_iter().next()).unwrap_or_default();
        let first = first.trim_end_matches('.').replace('`', "");
        let end = ENDS.iter().filter_map(|end| first.find(end)).min().unwrap_or(first.len());
        let line = first.get(..end).unwrap_or_default();
        let mut rest = line.chars();
        rest.next().map(|initial| initial.to_lowercase().chain(rest).collect()).unwrap_or_default()
    }
}

/// The paragraphs of a text, each on one line; an item begins with `* `.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let line = line.trim_end();
        match blocks.last_mut().filter(|_| open && !line.starts_with("* ")) {
            Some(_) if line.is_empty() => open = false,
            Some(block) => *block = format!("{block} {}", line.trim_start()),
            None if line.is_empty() => {}
            None => {
                blocks.push(line.to_owned());
                open = true;
            }
        }
    }
    blocks
}

/// A paragraph in its sentences.
fn sentences(block: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    let mut open = false;
    for word in block.split(' ') {
        match sentences.last_mut().filter(|_| open) {
            Some(sentence) => *sentence = format!("{sentence} {word}"),
            None => sentences.push(word.to_owned()),
        }
        let is_end = word.ends_with('.') && !word.ends_with("...") || word.ends_with(".)");
        open = !is_end;
    }
    sentences
}

/// One text of those for libdrpc-2.8 and libdrpc-0.8. Where they differ it says which is whose.
pub(crate) fn merged(newer: &[String], older: &[String]) -> String {
    let (before, newer, older, after) = differing(newer, older);
    let mut text = before.to_vec();
    match (newer, older) {
        ([], []) => {}
        ([one], [other]) if one.starts_with("* ") == other.starts_with("* ") => {
            let item = if one.starts_with("* ") { "* " } else { "" };
            let in_sentences = |block: &str| sentences(block.strip_prefix(item).unwrap_or(block));
            let (one, other) = (in_sentences(one), in_sentences(other));
            let (before, one, other, after) = differing(&one, &other);
            let mut sentences = before.to_vec();
            sentences.extend(labelled("2.8", one));
            sentences.extend(labelled("0.8", other));
            sentences.extend_from_slice(after);
            text.push(format!("{item}{}", sentences.join(" ")));
        }
        _ => {
            text.extend(labelled_blocks("2.8", newer));
            text.extend(labelled_blocks("0.8", older));
        }
    }
    text.extend_from_slice(after);
    text.join("\n\n")
}

/// What both begin with, what only the one has, what only the other has, and what both end with.
fn differing<'a>(one: &'a [String], other: &'a [String]) -> (&'a [String], &'a [String], &'a [String], &'a [String]) {
    let before = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (same, one) = one.split_at_checked(before).unwrap_or_default();
    let (_, other) = other.split_at_checked(before).unwrap_or_default();
    let after = one.iter().rev().zip(other.iter().rev()).take_while(|(one, other)| one == other).count();
    let (one, same_end) = one.split_at_checked(one.len() - after).unwrap_or_default();
    let (other, _) = other.split_at_checked(other.len() - after).unwrap_or_default();
    (same, one, other, same_end)
}

fn labelled(abi: &str, sentences: &[String]) -> Option<String> {
    let text = sentences.join(" ");
    let (item, text) = text.strip_prefix("* ").map_or(("", text.as_str()), |text| ("* ", text));
    (!text.is_empty()).then(|| format!("{item}In libdrpc-{abi}: {text}"))
}

/// Labels paragraphs, and items unless they belong to a paragraph.
fn labelled_blocks(abi: &str, blocks: &[String]) -> Vec<String> {
    let mut in_paragraph = false;
    let mut text = Vec::new();
    for block in blocks {
        let is_item = block.starts_with("* ");
        in_paragraph |= !is_item;
        match labelled(abi, std::slice::from_ref(block)) {
            Some(block) if !(is_item && in_paragraph) => text.push(block),
            _ => text.push(block.clone()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(newer: &str, older: &str) -> String {
        merged(&blocks(newer), &blocks(older))
    }

    #[test]
    fn what_both_say_is_said_once() {
        assert_eq!(merge("One. Two.\n\n* An item.", "One. Two.\n\n* An item."), "One. Two.\n\n* An item.");
    }

    #[test]
    fn a_sentence_that_differs_has_both_labels() {
        let text = merge("One. Its mode is 0600. End.", "One. Its mode is 0777. End.");
        assert_eq!(text, "One. In libdrpc-2.8: Its mode is 0600. In libdrpc-0.8: Its mode is 0777. End.");
        assert_eq!(merge("* Module * 100. New.", "* Module * 100."), "* Module * 100. In libdrpc-2.8: New.");
    }

    #[test]
    fn items_belong_to_the_paragraph_before_them() {
        let text = merge("Same.\n\nErrors:\n* One.\n* Two.", "Same.\n\nNULL.");
        assert_eq!(text, "Same.\n\nIn libdrpc-2.8: Errors:\n\n* One.\n\n* Two.\n\nIn libdrpc-0.8: NULL.");
        assert_eq!(merge("* One.\n* Two.", "* One."), "* One.\n\n* In libdrpc-2.8: Two.");
    }

    #[test]
    fn a_comment_has_its_parts() {
        let comment =
            Comment::new("Makes a thing, which is\nnew.\n\nReturns 0.\n* -DER_INVAL.\n\n(DAOS: a.c, since 1.2.)");
        assert_eq!(comment.description, ["Makes a thing, which is new."]);
        assert_eq!(comment.result, ["Returns 0.", "* -DER_INVAL."]);
        assert_eq!(comment.mirrors, "a.c, since 1.2");
        assert_eq!(comment.in_a_line(), "makes a thing");
        assert_eq!(Comment::new("Returns a thing.\n\nIt stays.").result, [""; 0]);
        assert_eq!(Comment::new("Names a DER_... number. End.").in_a_line(), "names a DER_... number");
    }
}
