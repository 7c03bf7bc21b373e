//! The pages of section 7.

use std::collections::BTreeSet;

use super::declarations::Declaration;
use super::markdown::mdoc;
use super::placement::place_of;
use super::words::Names;
use super::{Api, SECTION_7, head};

/// The overview begins with this, before docs/c-api.md.
const INTRODUCTION: &str = include_str!("drpc.md");

/// A page, of a file in docs/.
pub(crate) fn page(name: &str, about: &str, source: &str, apis: &[Api], names: &Names) -> String {
    let own: (&str, &[String]) = ("", &[]);
    let (_title, body) = source.split_once('\n').unwrap_or((source, ""));
    let mut page = head(name, 7);
    page.push_str(&format!(".Sh NAME\n.Nm {name}\n.Nd {about}\n.Sh DESCRIPTION\n"));
    let mut mentioned = BTreeSet::new();
    if name == "drpc" {
        page.push_str(&mdoc(INTRODUCTION, names, own).0);
        page.push_str(&index(apis, names));
        // What docs/c-api.md says before its first heading is for readers of docs/.
        let sections = body.find("\n## ").and_then(|at| body.get(at..)).unwrap_or(body);
        page.push_str(&mdoc(sections, names, own).0);
    } else {
        let (text, pages) = mdoc(body, names, own);
        page.push_str(&text);
        mentioned.extend(pages);
    }
    page.push_str(".Sh SEE ALSO\n");
    let mut others: Vec<String> = Vec::new();
    others.extend((name == "drpc").then(|| "drpc 1".to_owned()));
    others.extend(mentioned.iter().map(|page| format!("{page} 3")));
    others.extend(SECTION_7.iter().filter(|(other, ..)| *other != name).map(|(other, ..)| format!("{other} 7")));
    page.push_str(&others.iter().map(|other| format!(".Xr {other}")).collect::<Vec<_>>().join(" ,\n"));
    page.push('\n');
    page
}

/// The functions by header.
fn index(apis: &[Api], names: &Names) -> String {
    let mut text = String::from(".Sh FUNCTIONS\n");
    for api in apis {
        let mut functions: Vec<&str> = Vec::new();
        let has_functions = api.newer.iter().any(Declaration::is_function);
        for one in api.newer.iter().chain(&api.older).filter(|one| one.is_function() || !has_functions) {
            let page =
                names.pages.get(&one.name).map(String::as_str).or_else(|| place_of(&one.name)).unwrap_or_default();
            if !functions.contains(&page) {
                functions.push(page);
            }
        }
        text.push_str(&format!(".Ss {}\n", api.header));
        text.push_str(&mdoc(&api.about, names, ("", &[])).0);
        text.push_str(".Pp\n");
        text.push_str(&functions.iter().map(|page| format!(".Xr {page} 3")).collect::<Vec<_>>().join(" ,\n"));
        text.push('\n');
    }
    text
}
