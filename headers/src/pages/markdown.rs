//! Markdown, as comments and docs/ have it, in mdoc(7).

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::words::{Names, Part, Words, escaped, quoted};

/// A text in the making.
struct Text<'a> {
    mdoc: String,
    words: Words<'a>,
    /// The paragraph that comes next is the first of its section, or stands in no other than the item's.
    is_first: bool,
    lists: usize,
    /// The heads of the columns of a table, and the lines of the cells of its rows.
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    in_head: bool,
    /// Where links lead that are open.
    links: Vec<String>,
    code: Option<String>,
    heading: Option<String>,
    strong: Option<String>,
}

/// Writes a text, and the pages that it mentions. `own` is the function that the page is about, and its parameters.
pub(crate) fn mdoc(text: &str, names: &Names, own: (&str, &[String])) -> (String, Vec<String>) {
    let mut out = Text {
        mdoc: String::new(),
        words: Words::new(names, own),
        is_first: true,
        lists: 0,
        heads: Vec::new(),
        rows: Vec::new(),
        in_head: false,
        links: Vec::new(),
        code: None,
        heading: None,
        strong: None,
    };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        out.event(event);
    }
    out.end_words();
    (out.mdoc, out.words.mentioned.into_iter().collect())
}

impl Text<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) => match self.verbatim() {
                Some(verbatim) => verbatim.push_str(&text),
                None => self.words.text(&text),
            },
            Event::Code(code) => match self.verbatim() {
                Some(verbatim) => verbatim.push_str(&code),
                None => self.words.part(Part::Code(code.into_string())),
            },
            Event::SoftBreak | Event::HardBreak => self.words.text(" "),
            Event::InlineHtml(text) | Event::Html(text) => self.words.text(&text),
            _ => {}
        }
    }

    /// Where text goes in which no names are marked.
    fn verbatim(&mut self) -> Option<&mut String> {
        let head = if self.in_head { self.heads.last_mut() } else { None };
        self.code.as_mut().or(self.heading.as_mut()).or(self.strong.as_mut()).or(head)
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.end_words();
                self.heading = Some(String::new());
            }
            Tag::Paragraph => self.begin_paragraph(),
            Tag::List(_) => {
                self.end_words();
                self.lists += 1;
                self.line(".Bl -bullet");
            }
            Tag::Item => {
                self.line(".It");
                self.is_first = true;
            }
            Tag::CodeBlock(_) => {
                self.end_words();
                self.code = Some(String::new());
            }
            Tag::Table(_) => {
                self.end_words();
                self.heads.clear();
                self.rows.clear();
            }
            Tag::TableHead => self.in_head = true,
            Tag::TableRow => self.rows.push(Vec::new()),
            Tag::TableCell if self.in_head => self.heads.push(String::new()),
            Tag::Strong => self.strong = Some(String::new()),
            Tag::Link { dest_url, .. } => self.links.push(dest_url.into_string()),
            _ => {}
        }
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Heading(level) => {
                let heading = self.heading.take().unwrap_or_default();
                match level as usize {
                    ..3 => self.line(&format!(".Sh {}", escaped(&heading.to_uppercase(), false))),
                    _ => self.line(&format!(".Ss {}", escaped(&heading, false))),
                }
                self.is_first = true;
            }
            TagEnd::Paragraph | TagEnd::Item => self.end_words(),
            TagEnd::List(_) => {
                self.end_words();
                self.lists -= 1;
                self.line(".El");
                self.is_first = false;
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.mdoc.push_str(&literal(&code));
                self.is_first = false;
            }
            TagEnd::TableHead => self.in_head = false,
            TagEnd::TableCell if !self.in_head => {
                let cell = self.words.lines();
                self.rows.iter_mut().last().into_iter().for_each(|row| row.push(cell.clone()));
            }
            TagEnd::Table => {
                self.end_table();
                self.is_first = false;
            }
            TagEnd::Strong => {
                let text = self.strong.take().unwrap_or_default();
                let strong = text.trim_end_matches('.');
                self.words.part(Part::Macro(format!("Sy {}", quoted(strong))));
                self.words.text(text.strip_prefix(strong).unwrap_or_default());
            }
            TagEnd::Link => self.end_link(),
            _ => {}
        }
    }

    fn begin_paragraph(&mut self) {
        self.end_words();
        if !std::mem::take(&mut self.is_first) {
            self.line(".Pp");
        }
    }

    /// The first cell of a row is the tag of an item, and the others are what is said of it. Where it is too long for a tag, each
    /// column is a list.
    fn end_table(&mut self) {
        let (heads, rows) = (std::mem::take(&mut self.heads), std::mem::take(&mut self.rows));
        if rows.iter().filter_map(|row| row.first()).any(|tag| tag.len() > 100) {
            for (column, head) in heads.iter().enumerate() {
                self.line(".Pp");
                self.line(&format!("{}:", escaped(head, false)));
                self.line(".Bl -bullet");
                for cell in rows.iter().filter_map(|row| row.get(column)) {
                    self.line(&format!(".It\n{}", cell.trim_end()));
                }
                self.line(".El");
            }
            return;
        }
        self.line(".Bl -tag -width Ds");
        for row in rows {
            let mut cells = row.iter();
            let tag = cells.next().map_or("", |tag| tag.trim_end()).replace("\n.", " ").replace('\n', " No ");
            let tag = tag.strip_prefix('.').map_or_else(|| format!("No {tag}"), str::to_owned);
            self.line(&format!(".It {tag}"));
            let said = heads.iter().skip(1).zip(cells).filter(|(_, cell)| !cell.is_empty());
            for (index, (head, cell)) in said.enumerate() {
                if index > 0 {
                    self.line(".br");
                }
                if !head.is_empty() {
                    self.line(&format!("{}:", escaped(head, false)));
                }
                self.mdoc.push_str(cell);
            }
        }
        self.line(".El");
    }

    /// A link to another page of docs/ becomes its page here, or its name in the sources.
    fn end_link(&mut self) {
        let Some(link) = self.links.pop() else { return };
        let file = link.split('#').next().unwrap_or_default();
        let page = super::SECTION_7.iter().find(|(_, source, _)| source.rsplit('/').next() == Some(file));
        match page {
            Some((page, ..)) => {
                self.words.text(" ");
                self.words.text("(");
                self.words.part(Part::Macro(format!("Xr {page} 7")));
                self.words.text(")");
            }
            None if file.is_empty() => {}
            None => {
                self.words.text(" (");
                let path = file.strip_prefix("../").map_or_else(|| format!("docs/{file}"), str::to_owned);
                self.words.part(Part::Macro(format!("Pa {path}")));
                self.words.text(")");
            }
        }
    }

    fn end_words(&mut self) {
        let lines = self.words.lines();
        self.mdoc.push_str(&lines);
    }

    fn line(&mut self, line: &str) {
        self.mdoc.push_str(line);
        self.mdoc.push('\n');
    }
}

/// Lines of code.
pub(crate) fn literal(code: &str) -> String {
    let mut lines = String::from(".Bd -literal\n");
    for line in code.trim_end().lines() {
        let line = escaped(line, true);
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        lines.push_str(&format!("{guard}{line}\n"));
    }
    lines.push_str(".Ed\n");
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> String {
        let mut names = Names::default();
        names.pages.insert("drpc_call".into(), "drpc_call".into());
        names.pages.insert("drpc_own".into(), "drpc_own".into());
        names.variables.insert("DRPC_LOG".into());
        mdoc(text, &names, ("drpc_own", &["resp".to_owned()])).0
    }

    #[test]
    fn names_are_marked() {
        assert_eq!(lines("Call drpc_own() or drpc_call()."), "Call\n.Fn drpc_own\nor\n.Xr drpc_call 3 .\n");
        assert_eq!(lines("See (drpc_call), too"), "See\n.Pf ( Xr drpc_call 3 ) ,\ntoo\n");
        assert_eq!(lines("`*resp`, -DER_INVAL: NULL"), ".Fa *resp ,\n.Dv \\-DER_INVAL :\n.Dv NULL\n");
        assert_eq!(lines("Set DRPC_LOG=info; `a b.`"), "Set\n.Ev DRPC_LOG Ns No =info ;\n.Li \"a b.\\&\"\n");
    }

    #[test]
    fn a_sentence_begins_a_line() {
        assert_eq!(lines("One. Two\nthree. 'Four' -1"), "One.\nTwo three.\n\\&'Four' \\-1\n");
    }

    #[test]
    fn paragraphs_lists_tables_and_code_have_their_macros() {
        assert_eq!(
            lines("One.\n\nTwo.\n* Item.\n\nEnd."),
            "One.\n.Pp\nTwo.\n.Bl -bullet\n.It\nItem.\n.El\n.Pp\nEnd.\n"
        );
        let table = "| | size |\n|---|---|\n| a b | 1 |\n";
        assert_eq!(lines(table), ".Bl -tag -width Ds\n.It No a b\nsize:\n1\n.El\n");
        assert_eq!(lines("```c\n.x = '\\n' - 1;\n```\n"), ".Bd -literal\n\\&.x = \\(aq\\en\\(aq \\- 1;\n.Ed\n");
    }
}
