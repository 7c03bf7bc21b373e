//! The declarations of a generated header, each with its comment.

/// What a header declares under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A function: the type of its result, and its parameters.
    Function(String, Vec<String>),
    /// A struct or an enum, and its members. Without members it is declared only.
    Members(&'static str, Vec<Member>),
    /// A type of functions, as it is declared.
    Typedef(String),
    /// A macro: its parameters, if it has any, and its value, on one line.
    Macro(String, String),
}

/// A member of a struct, or a constant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// As it is declared, without the comma or semicolon.
    pub(crate) code: String,
    /// In Markdown, empty if there is none.
    pub(crate) comment: String,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// The header, as in `drpc/server.h`.
    pub(crate) header: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// In Markdown, empty if there is none.
    pub(crate) comment: String,
}

impl Declaration {
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.kind, Kind::Function(..))
    }
}

/// All declarations of a header that have a comment, and functions without one.
pub(crate) fn read(header: &str, text: &str) -> Vec<Declaration> {
    let mut lines = text.lines();
    let mut declarations: Vec<Declaration> = Vec::new();
    let mut comment = String::new();
    let mut before = "";
    while let Some(line) = lines.next() {
        let follows_a_macro =
            std::mem::replace(&mut before, line).starts_with("#define") && line.starts_with("#define");
        if line.starts_with("/*") {
            comment = read_comment(line, &mut lines);
            continue;
        }
        // A comment of several macros is that of the last, as a page has it behind all of them.
        if let Some(Declaration { comment: of_all, .. }) = declarations.last_mut().filter(|_| follows_a_macro) {
            comment = std::mem::take(of_all);
        }
        let mut code = line.to_owned();
        if line.starts_with("#define") {
            while code.ends_with('\\') {
                code.pop();
                code.push_str(lines.next().unwrap_or_default());
            }
        } else if line.starts_with("static inline") {
            while !code.ends_with(')') {
                code.push(' ');
                code.push_str(lines.next().unwrap_or_default().trim());
            }
            lines.by_ref().find(|line| *line == "}");
        } else if line.starts_with(|first: char| first.is_ascii_alphabetic()) && !line.starts_with("extern") {
            let body = line.ends_with('{');
            while !(if body { code.ends_with("\n};") || code.contains("\n} ") } else { code.ends_with(';') }) {
                let Some(next) = lines.next() else { break };
                code.push('\n');
                code.push_str(next);
            }
        } else {
            // An #endif or so belongs to what follows; an empty line parts a comment from it.
            comment.clear();
            continue;
        }
        declarations.extend(declaration(header, &code, std::mem::take(&mut comment)));
    }
    declarations
}

/// The text of a comment that begins in this line.
fn read_comment<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut raw = first.trim().to_owned();
    while !raw.ends_with("*/") {
        let Some(next) = lines.next() else { break };
        raw.push('\n');
        raw.push_str(next.trim());
    }
    let text = raw.trim_start_matches(['/', '*']).trim_end_matches('/').trim_end_matches('*');
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix('*').unwrap_or(line)).collect();
    lines
        .iter()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

fn declaration(header: &str, code: &str, comment: String) -> Option<Declaration> {
    let code = code.trim_end_matches(';');
    let (name, kind) = if let Some(rest) = code.strip_prefix("#define ") {
        let end = rest.find(|c: char| !is_in_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        let parameters = if rest.starts_with('(') { rest.split_inclusive(')').next().unwrap_or_default() } else { "" };
        let value = rest.strip_prefix(parameters).unwrap_or(rest);
        (name.to_owned(), Kind::Macro(parameters.to_owned(), on_one_line(value)))
    } else if let Some((head, body)) = code.split_once('{') {
        // protoc-c names an enum behind its members, and writes a second space before a struct.
        let tail = body.rsplit_once('}').map_or("", |(_, tail)| tail.trim());
        let name = if tail.is_empty() { head.split_whitespace().last()? } else { tail };
        let keyword = if head.contains("enum") { "enum" } else { "struct" };
        (name.to_owned(), Kind::Members(keyword, members(body)))
    } else if code.starts_with("typedef struct") {
        return None;
    } else if code.starts_with("typedef") {
        let code = on_one_line(code);
        let name = code.split_once("(*")?.1.split_once(')')?.0.to_owned();
        (name, Kind::Typedef(code))
    } else if let Some((head, parameters)) = code.split_once('(') {
        let head = on_one_line(head.trim_start_matches("static inline "));
        let start = head.rfind(|c: char| !is_in_name(c))? + 1;
        let (result, name) = head.split_at_checked(start)?;
        let parameters = parameters_of(&on_one_line(parameters.strip_suffix(')').unwrap_or(parameters)));
        // The result is a function: none of ours is declared so but by a typedef.
        (name.to_owned(), Kind::Function(result.trim().to_owned(), parameters))
    } else {
        (code.split_whitespace().last()?.to_owned(), Kind::Members("struct", Vec::new()))
    };
    let is_function = matches!(kind, Kind::Function(..));
    (is_function || !comment.is_empty()).then_some(Declaration { header: header.to_owned(), name, kind, comment })
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn on_one_line(code: &str) -> String {
    code.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(")
}

/// Parts parameters at the commas that stand in no parentheses.
fn parameters_of(code: &str) -> Vec<String> {
    let mut parameters = vec![String::new()];
    let mut depth = 0;
    for c in code.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match parameters.last_mut() {
            Some(last) if c != ',' || depth > 0 => last.push(c),
            _ => parameters.push(String::new()),
        }
    }
    parameters.iter().map(|parameter| parameter.trim().to_owned()).collect()
}

/// The name that a parameter or a member declares.
pub(crate) fn declared_name(code: &str) -> &str {
    let code = code.split_once(" = ").map_or(code, |(name, _)| name);
    if let Some((name, _)) = code.split_once("(*").and_then(|(_, after)| after.split_once(')')) {
        return name;
    }
    let code = code.split_once('[').map_or(code, |(name, _)| name);
    code.rsplit(|c: char| !is_in_name(c)).next().unwrap_or_default()
}

fn members(body: &str) -> Vec<Member> {
    let mut members = Vec::new();
    let mut comment = String::new();
    let mut code = String::new();
    let mut lines = body.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.starts_with('}') || line.starts_with("PROTOBUF_C") {
            break;
        }
        if line.starts_with("/*") {
            comment = read_comment(line, &mut lines);
            continue;
        }
        code.push(' ');
        code.push_str(line);
        // protoc-c leaves out the last comma, and a member of protoc-c's is one line.
        if code.ends_with([',', ';']) && code.matches('(').count() == code.matches(')').count()
            || code.contains("DRPC__STATUS__")
        {
            let code = on_one_line(std::mem::take(&mut code).trim_end_matches([',', ';']));
            members.push(Member { code, comment: std::mem::take(&mut comment) });
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
#ifndef GUARD
#define GUARD

struct other;

/** A number. */
#define NUMBER(of)                 \\
\t((of) + 1)

/** Two numbers. */
#define ONE 1
#define TWO 2

/** Choices. */
enum choice {
        /** The first. */
        FIRST = 1,
};

/** A function of the program's. */
typedef int (*call_t)(int (*with)(void *),
                      void *arg);

/**
 * Does it.
 *
 * Returns 0.
 */
struct other *do_it(int (*with)(void *, int),
                    const char *path);

/** Does it here. */
static inline int
do_it_here(void *arg)
{
\treturn arg != NULL;
}

#endif /* GUARD */
";

    #[test]
    fn each_kind_of_declaration_is_read() {
        let kinds: Vec<(String, Kind)> = read("a.h", HEADER).into_iter().map(|one| (one.name, one.kind)).collect();
        let member = Member { code: "FIRST = 1".into(), comment: "The first.".into() };
        let parameters = vec!["int (*with)(void *, int)".into(), "const char *path".into()];
        let expected = [
            ("NUMBER", Kind::Macro("(of)".into(), "((of) + 1)".into())),
            ("ONE", Kind::Macro(String::new(), "1".into())),
            ("TWO", Kind::Macro(String::new(), "2".into())),
            ("choice", Kind::Members("enum", vec![member])),
            ("call_t", Kind::Typedef("typedef int (*call_t)(int (*with)(void *), void *arg)".into())),
            ("do_it", Kind::Function("struct other *".into(), parameters)),
            ("do_it_here", Kind::Function("int".into(), vec!["void *arg".into()])),
        ];
        assert_eq!(kinds, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn a_comment_is_markdown() {
        let comment = |name| read("a.h", HEADER).into_iter().find(|one| one.name == name).map(|one| one.comment);
        assert_eq!(comment("do_it").as_deref(), Some("Does it.\n\nReturns 0."));
        assert_eq!(comment("ONE").as_deref(), Some(""));
        assert_eq!(comment("TWO").as_deref(), Some("Two numbers."));
    }

    #[test]
    fn a_parameter_has_a_name() {
        assert_eq!(declared_name("int (*with)(void *, int)"), "with");
        assert_eq!(declared_name("uint64_t answered[9]"), "answered");
        assert_eq!(declared_name("Drpc__Call **callp"), "callp");
    }
}
