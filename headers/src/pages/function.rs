//! The pages of section 3.

use std::collections::BTreeSet;
use std::error::Error;

use super::comment::{Comment, merged};
use super::declarations::{Declaration, Kind, Member, declared_name};
use super::markdown::{literal, mdoc};
use super::placement::{EXAMPLES, MESSAGES, MESSAGES_TEXT, place_of};
use super::words::{Names, quoted};
use super::{Api, head};

/// The declarations of one name in 2.8 and in 0.8.
type Pair<'a> = (Option<&'a Declaration>, Option<&'a Declaration>);

/// A page in the making.
struct Page<'a> {
    name: &'a str,
    names: &'a Names,
    parameters: Vec<String>,
    text: String,
    see_also: BTreeSet<String>,
}

/// All pages by name.
pub(crate) fn pages(
    apis: &[Api],
    names: &Names,
    docs: &impl Fn(&str) -> Result<String, Box<dyn Error>>,
) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut pages = Vec::new();
    for api in apis {
        let messages: Vec<Pair<'_>> = pairs(api, |name| name.starts_with("drpc__"));
        if !messages.is_empty() {
            pages.push((MESSAGES.to_owned(), page(MESSAGES, &messages, api, apis, names, docs)?));
        }
        for pair in pairs(api, |name| !name.starts_with("drpc__")) {
            let Some(name) = pair.0.or(pair.1).map(|declaration| declaration.name.as_str()) else { continue };
            pages.push((name.to_owned(), page(name, &[pair], api, apis, names, docs)?));
        }
    }
    Ok(pages)
}

/// The functions of a header.
fn pairs(api: &Api, wanted: impl Fn(&str) -> bool) -> Vec<Pair<'_>> {
    both(&api.newer, &api.older)
        .into_iter()
        .filter(|(newer, older)| newer.or(*older).is_some_and(|one| one.is_function() && wanted(&one.name)))
        .collect()
}

/// Declarations of the same name together, in their order in 2.8.
fn both<'a>(newer: &'a [Declaration], older: &'a [Declaration]) -> Vec<Pair<'a>> {
    let find = |list: &'a [Declaration], name: &str| list.iter().find(|declaration| declaration.name == name);
    let mut pairs: Vec<Pair<'a>> = newer.iter().map(|one| (Some(one), find(older, &one.name))).collect();
    pairs.extend(older.iter().filter(|one| find(newer, &one.name).is_none()).map(|one| (None, Some(one))));
    pairs
}

fn page(
    name: &str,
    functions: &[Pair<'_>],
    api: &Api,
    apis: &[Api],
    names: &Names,
    docs: &impl Fn(&str) -> Result<String, Box<dyn Error>>,
) -> Result<String, Box<dyn Error>> {
    let both_names = || functions.iter().flat_map(|(newer, older)| [*newer, *older]).flatten();
    let parameters = both_names()
        .filter_map(|declaration| match &declaration.kind {
            Kind::Function(_, parameters) => Some(parameters),
            _ => None,
        })
        .flatten()
        .map(|parameter| declared_name(parameter).to_owned())
        .collect();
    let mut page = Page { name, names, parameters, text: head(name, 3), see_also: BTreeSet::new() };
    let comment = |declaration: Option<&Declaration>| match declaration {
        Some(_) if name == MESSAGES => Comment::new(MESSAGES_TEXT),
        Some(declaration) => Comment::new(&declaration.comment),
        None => Comment::default(),
    };
    let newer = comment(functions.first().and_then(|(newer, _)| *newer));
    let older = comment(functions.first().and_then(|(_, older)| *older));
    let (has_newer, has_older) =
        (functions.iter().any(|(one, _)| one.is_some()), functions.iter().any(|(_, one)| one.is_some()));
    let one_text = |newer: &[String], older: &[String]| match (has_newer, has_older) {
        (true, true) => merged(newer, older),
        (true, false) => newer.join("\n\n"),
        _ => older.join("\n\n"),
    };

    page.name_section(functions, if has_newer { newer.in_a_line() } else { older.in_a_line() });
    page.library(api, has_newer, has_older);
    page.synopsis(functions, &api.header);
    page.line(".Sh DESCRIPTION");
    page.markdown(&one_text(&newer.description, &older.description));
    let result = one_text(&newer.result, &older.result);
    if !result.is_empty() {
        page.line(".Sh RETURN VALUES");
        page.markdown(&result);
    }
    page.types(apis, &api.header);
    page.examples(docs)?;
    page.end(&newer.mirrors, &older.mirrors);
    Ok(page.text)
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn markdown(&mut self, text: &str) {
        let (mdoc, mentioned) = mdoc(text, self.names, (self.name, &self.parameters));
        self.text.push_str(&mdoc);
        self.see_also.extend(mentioned);
    }

    /// The functions, and the types that are found under their names, too.
    fn name_section(&mut self, functions: &[Pair<'_>], about: String) {
        let mut all: Vec<&str> =
            functions.iter().filter_map(|(newer, older)| newer.or(*older)).map(|one| one.name.as_str()).collect();
        all.extend(
            self.names
                .types
                .iter()
                .filter(|name| self.names.pages.get(*name).is_some_and(|page| page == self.name))
                .map(String::as_str),
        );
        let last = all.len().saturating_sub(1);
        self.line(".Sh NAME");
        for (index, name) in all.into_iter().enumerate() {
            self.line(&format!(".Nm {name}{}", if index < last { " ," } else { "" }));
        }
        self.line(&format!(".Nd {}", super::words::escaped(&about, false)));
    }

    fn library(&mut self, api: &Api, has_newer: bool, has_older: bool) {
        let more = if api.header == "drpc/service.h" { " libprotobuf-c" } else { "" };
        let abis: Vec<&str> =
            [(has_newer, "2.8"), (has_older, "0.8")].iter().filter(|(has, _)| *has).map(|(_, abi)| *abi).collect();
        self.line(".Sh LIBRARY");
        for (index, abi) in abis.iter().enumerate() {
            if index > 0 {
                self.line(".br");
            }
            self.line(&format!("libdrpc-{abi}:"));
            self.line(&format!(
                ".Li \"cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs drpc\\-{abi}{})\"",
                more.replace('-', "\\-")
            ));
        }
    }

    fn synopsis(&mut self, functions: &[Pair<'_>], header: &str) {
        self.line(".Sh SYNOPSIS");
        self.line(&format!(".In {header}"));
        for (newer, older) in functions {
            match (newer, older) {
                (Some(newer), Some(older)) if newer.kind != older.kind => {
                    self.line(".Pp");
                    self.line("In libdrpc\\-2.8:");
                    self.prototype(newer);
                    self.line(".Pp");
                    self.line("In libdrpc\\-0.8:");
                    self.prototype(older);
                }
                _ => newer.or(*older).into_iter().for_each(|one| self.prototype(one)),
            }
        }
    }

    fn prototype(&mut self, function: &Declaration) {
        let Kind::Function(result, parameters) = &function.kind else { return };
        self.line(&format!(".Ft {}", quoted(result)));
        self.line(&format!(".Fo {}", function.name));
        for parameter in parameters {
            self.line(&format!(".Fa {}", quoted(parameter)));
        }
        self.line(".Fc");
    }

    /// The types and macros that have their place here.
    fn types(&mut self, apis: &[Api], header: &str) {
        let name = self.name;
        let here = |list: &[Declaration]| -> Vec<Declaration> {
            list.iter().filter(|one| !one.is_function() && place_of(&one.name) == Some(name)).cloned().collect()
        };
        let newer: Vec<Declaration> = apis.iter().flat_map(|api| here(&api.newer)).collect();
        let older: Vec<Declaration> = apis.iter().flat_map(|api| here(&api.older)).collect();
        let is_macro =
            |(newer, older): &Pair<'_>| newer.or(*older).is_some_and(|one| matches!(one.kind, Kind::Macro(..)));
        let (macros, types): (Vec<_>, Vec<_>) = both(&newer, &older).into_iter().partition(is_macro);
        if !types.is_empty() {
            self.line(".Sh TYPES");
        }
        for pair in types {
            self.type_of(pair, header);
        }
        let header_of = |(newer, older): &Pair<'_>| newer.or(*older).map_or("", |one| one.header.as_str()).to_owned();
        for (index, macros) in macros.chunk_by(|one, other| header_of(one) == header_of(other)).enumerate() {
            self.line(if index == 0 { ".Sh CONSTANTS" } else { ".Pp" });
            match macros.first().map(header_of) {
                Some(other) if other != header => self.line(&format!("In\n.In {other} :")),
                _ => {}
            }
            self.line(".Bl -tag -width Ds");
            macros.iter().for_each(|pair| self.constant(*pair));
            self.line(".El");
        }
    }

    fn type_of(&mut self, (newer, older): Pair<'_>, header: &str) {
        let Some(one) = newer.or(older) else { return };
        let title = match &one.kind {
            Kind::Members(keyword, _) if !one.name.starts_with("Drpc__") => format!("{keyword} {}", one.name),
            _ => one.name.clone(),
        };
        let comments =
            |one: Option<&Declaration>| Comment::new(&one.map(|one| one.comment.clone()).unwrap_or_default());
        let mut comment = match (newer, older) {
            (Some(_), Some(_)) => merged(&whole(comments(newer)), &whole(comments(older))),
            _ => whole(comments(Some(one))).join("\n\n"),
        };
        if let Some(only) = only(newer.is_some(), older.is_some()) {
            comment = format!("{comment} In libdrpc-{only} only.");
        }
        if one.header != header {
            comment = format!("{comment} Declared in `{}`.", one.header);
        }
        self.line(&format!(".Ss {title}"));
        match &one.kind {
            Kind::Typedef(code) => {
                self.text.push_str(&literal(&format!("{};", wrapped(code))));
                self.line(".Pp");
                // What it says is of its own parameters.
                let before = std::mem::replace(&mut self.parameters, typedef_parameters(code));
                self.markdown(&comment);
                self.parameters = before;
            }
            Kind::Members(keyword, members) => {
                self.markdown(&comment);
                let of_other = |other: Option<&Declaration>| match other.map(|one| &one.kind) {
                    Some(Kind::Members(_, members)) => members.clone(),
                    _ => Vec::new(),
                };
                match (newer, older) {
                    (Some(_), Some(_)) => self.members(keyword, members, &of_other(older)),
                    _ => self.members(keyword, members, members),
                }
            }
            _ => {}
        }
    }

    fn members(&mut self, keyword: &str, newer: &[Member], older: &[Member]) {
        if newer.is_empty() {
            return;
        }
        let code = |members: &[Member]| members.iter().map(|member| member.code.clone()).collect::<Vec<_>>().join("\n");
        if newer.iter().all(|member| member.comment.is_empty()) {
            // Numbers whose names say all.
            if newer == older {
                self.text.push_str(&literal(&code(newer)));
            } else {
                self.line(".Pp");
                self.line("In libdrpc\\-2.8:");
                self.text.push_str(&literal(&code(newer)));
                self.line(".Pp");
                self.line("In libdrpc\\-0.8:");
                self.text.push_str(&literal(&code(older)));
            }
            return;
        }
        self.line(".Bl -tag -width Ds");
        for member in newer {
            let (name, value) = member.code.split_once(" = ").unwrap_or((&member.code, ""));
            match keyword {
                "enum" if !value.is_empty() => self.line(&format!(".It Dv {name} No = {value}")),
                "enum" => self.line(&format!(".It Dv {name}")),
                _ => self.line(&format!(".It Fa {}", quoted(&member.code))),
            }
            let mut comment = member.comment.clone();
            if !older.contains(member) {
                comment.push_str(" In libdrpc-2.8 only.");
            }
            self.markdown(&comment);
        }
        self.line(".El");
    }

    fn constant(&mut self, (newer, older): Pair<'_>) {
        let Some(one) = newer.or(older) else { return };
        let Kind::Macro(parameters, value) = &one.kind else { return };
        let name = format!("{}{parameters}", one.name);
        match (newer, older) {
            (Some(newer), Some(older)) if newer.kind != older.kind => {
                let Kind::Macro(_, other) = &older.kind else { return };
                self.line(&format!(".It Dv {}", quoted(&name)));
                self.markdown(&format!("{} `{value}` in libdrpc-2.8, `{other}` in libdrpc-0.8.", newer.comment));
            }
            _ if value.chars().all(|c| c.is_ascii_digit()) => {
                self.line(&format!(".It Dv {} No = {value}", quoted(&name)));
                self.markdown(&one.comment);
            }
            _ => {
                let only = only(newer.is_some(), older.is_some())
                    .map_or(String::new(), |abi| format!(" In libdrpc-{abi} only."));
                self.line(&format!(".It Dv {}", quoted(&name)));
                self.markdown(&format!("{}{only}", one.comment));
            }
        }
    }

    fn examples(&mut self, docs: &impl Fn(&str) -> Result<String, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
        let mut has_one = false;
        let name = self.name;
        for (_, file, mark) in EXAMPLES.iter().filter(|(page, ..)| *page == name) {
            let text = docs(file)?;
            let program = text
                .split("```c\n")
                .filter_map(|part| part.split("```").next())
                .find(|code| code.lines().next().is_some_and(|first| first.contains(mark)))
                .ok_or_else(|| format!("{file} has no program {mark}"))?;
            if !std::mem::replace(&mut has_one, true) {
                self.line(".Sh EXAMPLES");
            }
            self.text.push_str(&literal(program));
        }
        Ok(())
    }

    fn end(&mut self, newer: &str, older: &str) {
        self.see_also.remove(self.name);
        self.line(".Sh SEE ALSO");
        for page in std::mem::take(&mut self.see_also) {
            self.line(&format!(".Xr {page} 3 ,"));
        }
        self.line(".Xr drpc 7 ,");
        self.line(".Xr drpc_conventions 7");
        let text = match (newer, older) {
            ("", "") => return,
            (one, "") => format!("In DAOS: {one}."),
            ("", other) => format!("In DAOS: {other}."),
            (one, other) if one == other => format!("In DAOS: {one}."),
            (one, other) => {
                format!("In DAOS, as in libdrpc-2.8: {one}.\n\nIn DAOS, as in libdrpc-0.8: {other}.")
            }
        };
        self.line(".Sh HISTORY");
        self.markdown(&text);
    }
}

/// The ABI that alone has something.
fn only(newer: bool, older: bool) -> Option<&'static str> {
    match (newer, older) {
        (true, false) => Some("2.8"),
        (false, true) => Some("0.8"),
        _ => None,
    }
}

fn whole(comment: Comment) -> Vec<String> {
    comment.description.into_iter().chain(comment.result).collect()
}

/// A prototype with each parameter on a line of its own, if it is long.
fn wrapped(code: &str) -> String {
    if code.len() <= 76 { code.to_owned() } else { code.replace(", ", ",\n        ") }
}

fn typedef_parameters(code: &str) -> Vec<String> {
    let parameters = code.split_once(")(").map_or("", |(_, parameters)| parameters).trim_end_matches(')');
    parameters.split(',').map(|parameter| declared_name(parameter.trim()).to_owned()).collect()
}
