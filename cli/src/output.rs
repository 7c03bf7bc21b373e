//! Output: to a terminal with colours and aligned columns, to a pipe as plain text, and as JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use clap::ArgMatches;
use serde_json::Value;

use crate::exit::Failure;
use crate::json;
use crate::options;

/// A colour, by what it marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Names and headings.
    Bold,
    /// What is well.
    Good,
    /// What is wrong.
    Bad,
    /// What may be passed over.
    Dim,
}

impl Style {
    /// The escape sequence that begins the style.
    fn begin(self) -> &'static str {
        match self {
            Self::Bold => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Dim => "\x1b[2m",
        }
    }
}

/// Where the results of a command go, and how.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// True for `--json`.
    pub json: bool,
    /// True for `--quiet`: nothing but errors.
    pub quiet: bool,
    terminal: bool,
    colour: bool,
}

impl Output {
    /// The output that the arguments of a command ask for.
    pub fn of(matches: &ArgMatches) -> Self {
        let terminal = io::stdout().is_terminal();
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or_default();
        Self { json: flag(options::JSON), quiet: flag(options::QUIET), terminal, colour: terminal && colours_wanted() }
    }

    /// True on a terminal, where progress may be shown.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The width of the terminal in characters, where there is one.
    pub fn width(&self) -> Option<usize> {
        let size = self.terminal.then(|| rustix::termios::tcgetwinsize(io::stdout()).ok()).flatten()?;
        Some(size.ws_col.into()).filter(|width| *width > 0)
    }

    /// A text in a style, if there are colours. The text has to be escaped already.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{}{text}\x1b[0m", style.begin()) } else { text.to_owned() }
    }

    /// Writes a line, unless `--quiet`. The text has to be escaped already.
    pub fn line(&self, text: &str) -> Result<(), Failure> {
        if !self.quiet {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{text}")?;
            stdout.flush()?;
        }
        Ok(())
    }

    /// Writes bytes as they are, unless `--quiet`.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.quiet {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()?;
        }
        Ok(())
    }

    /// Writes a value as one line of JSON, for `--json`.
    pub fn json(&self, value: &Value) -> Result<(), Failure> {
        self.line(&json::in_one_line(value))
    }

    /// Writes a value as JSON of several lines, with colours where there are any.
    pub fn pretty_json(&self, value: &Value) -> Result<(), Failure> {
        self.line(&json::pretty(value, self.colour))
    }

    /// Writes rows: aligned below a heading on a terminal, with tabs between the cells in a pipe.
    pub fn table(&self, heading: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
        if !self.terminal {
            return rows.iter().try_for_each(|row| self.line(&row.join("\t")));
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heading.get(column).map(|title| title.len())).max().unwrap_or_default()
        };
        let aligned = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (column, cell) in cells.enumerate() {
                let width = width(column);
                let _ = write!(line, "{cell:<width$}  ");
            }
            line.trim_end().to_owned()
        };
        let title = aligned(&mut heading.iter().copied());
        self.line(&self.paint(Style::Bold, &title))?;
        rows.iter().try_for_each(|row| self.line(&aligned(&mut row.iter().map(String::as_str))))
    }

    /// Says something beside the result, on stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            say(None, text);
        }
    }
}

/// Says what went wrong, on stderr.
pub fn complain(text: &str) {
    say(Some(Style::Bad), text);
}

fn say(style: Option<Style>, text: &str) {
    let mut stderr = io::stderr().lock();
    let (begin, end) = match style {
        Some(style) if stderr.is_terminal() && colours_wanted() => (style.begin(), "\x1b[0m"),
        _ => ("", ""),
    };
    // Nothing is left to be done where stderr has gone.
    let _ = writeln!(stderr, "{begin}drpc:{end} {}", escape(text));
}

/// True unless the environment says otherwise: <https://no-color.org>.
fn colours_wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A number of things, as in `1 rank` and `2 ranks`.
pub fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// A text that may come from a peer, without characters that a terminal acts upon or that reorder text.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_safe(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped
}

/// False for control characters, and for those that are invisible or change the direction of writing.
pub fn is_safe(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
