//! Running text in mdoc(7): names are marked for what they are, and each sentence begins a line.

use std::collections::{BTreeMap, BTreeSet};

/// The width of a line of text.
const WIDTH: usize = 78;

/// The names that pages know.
#[derive(Default)]
pub(crate) struct Names {
    /// The page of section 3 that each function and each type has.
    pub(crate) pages: BTreeMap<String, String>,
    /// The names of types among them.
    pub(crate) types: BTreeSet<String>,
    /// The environment variables.
    pub(crate) variables: BTreeSet<String>,
}

/// What stands between two spaces, in parts.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// Text.
    Plain(String),
    /// Code.
    Code(String),
    /// A macro and its arguments.
    Macro(String),
}

/// A paragraph in the making.
pub(crate) struct Words<'a> {
    names: &'a Names,
    /// The name of the function whose page this is, and its parameters.
    own: (&'a str, &'a [String]),
    words: Vec<Vec<Part>>,
    /// The next part belongs to the last word.
    glued: bool,
    /// The pages that the text refers to.
    pub(crate) mentioned: BTreeSet<String>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(names: &'a Names, own: (&'a str, &'a [String])) -> Self {
        Self { names, own, words: Vec::new(), glued: false, mentioned: BTreeSet::new() }
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) {
        for (index, word) in text.split([' ', '\n']).enumerate() {
            self.glued &= index == 0;
            if !word.is_empty() {
                self.part(Part::Plain(word.to_owned()));
            }
        }
        self.glued = !text.ends_with([' ', '\n']);
    }

    /// Adds code or a macro.
    pub(crate) fn part(&mut self, part: Part) {
        match self.words.last_mut().filter(|_| self.glued) {
            Some(word) => match (word.last_mut(), part) {
                (Some(Part::Plain(before)), Part::Plain(text)) => before.push_str(&text),
                (_, part) => word.push(part),
            },
            None => self.words.push(vec![part]),
        }
        self.glued = true;
    }

    /// The lines, which end with a line break.
    pub(crate) fn lines(&mut self) -> String {
        let mut lines = String::new();
        let mut line = String::new();
        let words = std::mem::take(&mut self.words);
        let mut words = words.into_iter().peekable();
        self.glued = false;
        while let Some(mut word) = words.next() {
            // The name of a type is two words.
            if let [Part::Plain(keyword)] = word.as_slice()
                && let "struct" | "enum" = keyword.trim_start_matches('(')
                && let Some([Part::Plain(name), ..]) = words.peek().map(Vec::as_slice)
            {
                word = vec![Part::Plain(format!("{keyword} {name}"))];
                words.next();
            }
            match self.marked(&word) {
                Some(marked) => {
                    end_line(&mut lines, &mut line);
                    lines.push_str(&format!(".{marked}\n"));
                }
                None => {
                    let text: String = word.iter().map(plain).collect();
                    if !line.is_empty() && line.len() + 1 + text.len() > WIDTH {
                        end_line(&mut lines, &mut line);
                    }
                    line = if line.is_empty() { text.clone() } else { format!("{line} {text}") };
                    if text.trim_end_matches([')', '"']).ends_with(['.', '?', '!']) {
                        end_line(&mut lines, &mut line);
                    }
                }
            }
        }
        end_line(&mut lines, &mut line);
        lines
    }

    /// A word as a line with macros. `None` if it is plain text.
    fn marked(&mut self, word: &[Part]) -> Option<String> {
        let mut macros: Vec<String> = Vec::new();
        let mut has_mark = false;
        let mut opening = String::new();
        let mut closing = String::new();
        for (index, part) in word.iter().enumerate() {
            let (text, is_first, is_last) = match part {
                Part::Plain(text) => (text.as_str(), index == 0, index + 1 == word.len()),
                Part::Code(code) => {
                    has_mark = true;
                    macros.push(self.code(code));
                    continue;
                }
                Part::Macro(line) => {
                    has_mark = true;
                    macros.push(line.clone());
                    continue;
                }
            };
            let rest = if is_first { text.trim_start_matches(['(', '[']) } else { text };
            opening.push_str(text.strip_suffix(rest).unwrap_or_default());
            let core = if is_last { rest.trim_end_matches(['.', ',', ':', ';', ')', ']', '?', '!']) } else { rest };
            // "DRPC_MODULE_..." is a name, too, and drpc_last_error() a function.
            let kept = match rest.get(core.len()..) {
                Some(end) if end.starts_with("...") => 3,
                Some(end) if end.starts_with(')') && core.ends_with('(') => 1,
                _ => 0,
            };
            let core = rest.get(..core.len() + kept).unwrap_or(core);
            closing.push_str(rest.strip_prefix(core).unwrap_or_default());
            if core.is_empty() {
                continue;
            }
            let end = name_end(core);
            let (name, after) = core.split_at_checked(end).unwrap_or((core, ""));
            let after = after.strip_prefix("()").unwrap_or(after);
            match self.name(name).filter(|_| !after.starts_with('(')) {
                Some(mark) => {
                    has_mark = true;
                    macros.push(mark);
                    if !after.is_empty() {
                        macros.push(format!("No {}", quoted(after)));
                    }
                }
                None => macros.push(format!("No {}", quoted(core))),
            }
        }
        if !has_mark {
            return None;
        }
        let mut line = macros.join(" Ns ");
        if !opening.is_empty() {
            // mdoc takes such marks for arguments of the macro behind which they stand.
            line = format!("Pf {} {line}", opening.chars().map(String::from).collect::<String>());
        }
        for mark in closing.chars() {
            line.push(' ');
            line.push(mark);
        }
        Some(line)
    }

    fn code(&mut self, code: &str) -> String {
        let name = code.split_once('(').filter(|(_, arguments)| *arguments == ")").map_or(code, |(name, _)| name);
        if let Some(mark) = self.name(name) {
            return mark;
        }
        let parameter = code.trim_start_matches(['*', '&']);
        let end = parameter.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(parameter.len());
        if self.own.1.iter().any(|own| Some(own.as_str()) == parameter.get(..end)) {
            return format!("Fa {}", quoted(code));
        }
        format!("Li {}", quoted(code))
    }

    /// The macro of a name that is known.
    fn name(&mut self, name: &str) -> Option<String> {
        let (keyword, plain) = name.split_once(' ').unwrap_or(("", name));
        if !keyword.is_empty() && !matches!(keyword, "struct" | "enum") {
            return None;
        }
        if let Some(page) = self.names.pages.get(plain) {
            if page != self.own.0 {
                self.mentioned.insert(page.clone());
            }
            return Some(match plain {
                // As a word by itself, drpc is the command.
                _ if self.names.types.contains(plain) && name.contains('_') => format!("Vt {}", quoted(name)),
                _ if self.names.types.contains(plain) => return None,
                _ if !keyword.is_empty() => return None,
                _ if plain == self.own.0 => format!("Fn {plain}"),
                _ => format!("Xr {page} 3"),
            });
        }
        if !keyword.is_empty() {
            return None;
        }
        let constant = name.trim_start_matches('-').trim_end_matches("...");
        let in_capitals = constant.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        let is_errno = ["EPERM", "EAGAIN", "EADDRINUSE", "ETIMEDOUT"].contains(&constant);
        match name {
            _ if self.names.variables.contains(name) => Some(format!("Ev {name}")),
            "errno" => Some("Va errno".to_owned()),
            _ if is_errno => Some(format!("Er {name}")),
            "NULL" => Some("Dv NULL".to_owned()),
            _ if in_capitals && (constant.contains('_') || constant.starts_with("SIG") && constant.len() > 3) => {
                Some(format!("Dv {}", quoted(name)))
            }
            _ if name.ends_with(".h") && name.contains('/') => Some(format!("In {}", name.trim_matches(['<', '>']))),
            _ if name.starts_with("<") && name.ends_with(".h>") => {
                Some(format!("In {}", name.trim_matches(['<', '>'])))
            }
            _ => None,
        }
    }
}

/// The end of the name with which a word begins: of a constant behind a minus, or of a header.
fn name_end(word: &str) -> usize {
    let rest = word.trim_start_matches('-');
    let sign = word.len() - rest.len();
    let is_header = rest.ends_with(".h");
    let two_words = rest.starts_with("struct ") || rest.starts_with("enum ");
    let in_name =
        |c: char| c.is_ascii_alphanumeric() || c == '_' || is_header && (c == '/' || c == '.') || two_words && c == ' ';
    let end = sign + rest.find(|c| !in_name(c)).unwrap_or(rest.len());
    if word.get(end..) == Some("...") { word.len() } else { end }
}

fn end_line(lines: &mut String, line: &mut String) {
    if !line.is_empty() {
        // Not a macro.
        if line.starts_with(['.', '\'']) {
            lines.push_str("\\&");
        }
        lines.push_str(line);
        lines.push('\n');
        line.clear();
    }
}

fn plain(part: &Part) -> String {
    match part {
        Part::Plain(text) | Part::Code(text) | Part::Macro(text) => escaped(text, false),
    }
}

/// The argument of a macro.
pub(crate) fn quoted(argument: &str) -> String {
    let text = escaped(argument, true).replace('"', "\\(dq");
    let is_mark = matches!(argument, "." | "," | ":" | ";" | "(" | ")" | "[" | "]" | "?" | "!" | "|");
    let is_macro = text.len() <= 3 && text.starts_with(|c: char| c.is_ascii_uppercase());
    // A mark that is the end of the argument is none of the sentence.
    let end = if text.len() > 1 && text.ends_with(['.', ',', ':', ';', '?', '!']) { "\\&" } else { "" };
    match text.contains(' ') {
        true => format!("\"{text}{end}\""),
        false if is_mark || is_macro => format!("\\&{text}"),
        false => format!("{text}{end}"),
    }
}

/// Text without a meaning to roff; code as it is to be typed.
pub(crate) fn escaped(text: &str, is_code: bool) -> String {
    let mut escaped = String::new();
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\e"),
            // A minus, not a hyphen.
            '-' if is_code || !before.is_ascii_alphanumeric() => escaped.push_str("\\-"),
            '\'' if is_code => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            c if c.is_ascii() => escaped.push(c),
            c => escaped.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
        before = c;
    }
    escaped
}
