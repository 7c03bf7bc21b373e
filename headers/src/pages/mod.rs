//! The manual pages: those of section 3 from the comments of the headers, those of section 7 from docs/.
//!
//! One set serves both ABIs. Where a prototype, a type or a sentence differs, the page has both.

use std::collections::BTreeMap;
use std::error::Error;

mod comment;
mod declarations;
mod function;
mod markdown;
mod overview;
mod placement;
mod words;

use declarations::{Declaration, Kind};
use words::Names;

/// The pages of section 7, the file that each is made of, and what it is about.
pub(crate) const SECTION_7: [(&str, &str, &str); 3] = [
    ("drpc", "docs/c-api.md", "typed calls between processes of one host, in C"),
    ("drpc_conventions", "docs/conventions.md", "what holds for every function of libdrpc"),
    ("drpc_environment", "docs/environment.md", "the environment variables of libdrpc and of the command drpc"),
];

/// The date that pages have. Change it when what they say has changed much.
const DATE: &str = "November 30, 2026";

/// A page, or a link to another one in its directory, which has the name of the link, too.
pub(crate) enum Page {
    Text(String),
    LinkTo(String),
}

/// A header of both ABIs.
pub(crate) struct Api {
    /// `drpc/server.h`
    pub(crate) header: String,
    /// The first comment of the header, in 2.8.
    pub(crate) about: String,
    /// What it declares in 2.8 and in 0.8.
    pub(crate) newer: Vec<Declaration>,
    pub(crate) older: Vec<Declaration>,
}

/// The first line of a page, and those after it.
fn head(name: &str, section: u8) -> String {
    format!(
        ".\\\" Generated from the Rust sources and docs/: see headers/.\n.Dd {DATE}\n.Dt {} {section}\n.Os\n",
        name.to_uppercase()
    )
}

/// All pages, by their path from the top of the repository. `headers` has the text of each header by its path, and what it is
/// about; `docs` reads a file.
pub(crate) fn pages(
    headers: &[(String, String, String)],
    docs: impl Fn(&str) -> Result<String, Box<dyn Error>>,
) -> Result<Vec<(String, Page)>, Box<dyn Error>> {
    let apis = apis(headers);
    let names = names(&apis, &docs("docs/environment.md")?)?;
    let mut pages = BTreeMap::new();
    for (name, page) in &names.pages {
        if name != page {
            pages.insert(format!("man/man3/{name}.3"), Page::LinkTo(format!("{page}.3")));
        }
    }
    for (name, text) in function::pages(&apis, &names, &docs)? {
        pages.insert(format!("man/man3/{name}.3"), Page::Text(text));
    }
    for (name, source, about) in SECTION_7 {
        pages.insert(
            format!("man/man7/{name}.7"),
            Page::Text(overview::page(name, about, &docs(source)?, &apis, &names)),
        );
    }
    Ok(pages.into_iter().collect())
}

/// The headers of both ABIs, those of one name together.
fn apis(headers: &[(String, String, String)]) -> Vec<Api> {
    let mut apis: Vec<Api> = Vec::new();
    for (path, about, text) in headers {
        let Some((abi, header)) = path.strip_prefix("include/").and_then(|path| path.split_once('/')) else { continue };
        let read = declarations::read(header, text);
        let api = match apis.iter_mut().find(|api| api.header == header) {
            Some(api) => api,
            None => {
                apis.push(Api {
                    header: header.to_owned(),
                    about: String::new(),
                    newer: Vec::new(),
                    older: Vec::new(),
                });
                let Some(api) = apis.last_mut() else { continue };
                api
            }
        };
        if abi == "2.8" {
            api.newer = read;
            let sentences = about.split("\n *\n").next().unwrap_or_default().replace("\n * ", " ");
            api.about = sentences.split(" As in DAOS").next().unwrap_or_default().to_owned();
        } else {
            api.older = read;
        }
    }
    apis
}

fn names(apis: &[Api], environment: &str) -> Result<Names, Box<dyn Error>> {
    let mut names = Names::default();
    for declaration in apis.iter().flat_map(|api| api.newer.iter().chain(&api.older)) {
        let name = &declaration.name;
        let page = match declaration.kind {
            Kind::Function(..) if name.starts_with("drpc__") => placement::MESSAGES,
            Kind::Function(..) => name,
            _ => placement::place_of(name)
                .ok_or_else(|| format!("headers/src/pages/placement.rs has no place for {name}"))?,
        };
        // Macros are found by the index of the manual, and have no page of their name.
        if !matches!(declaration.kind, Kind::Macro(..)) {
            names.pages.insert(name.clone(), page.to_owned());
        }
        if matches!(declaration.kind, Kind::Members(..) | Kind::Typedef(_)) {
            names.types.insert(name.clone());
        }
    }
    for page in names
        .pages
        .values()
        .chain(placement::PLACES.iter().map(|(_, page)| (*page).to_owned()).collect::<Vec<_>>().iter())
    {
        if names.pages.get(page) != Some(page) {
            return Err(format!("headers/src/pages/placement.rs names {page}, which is no function").into());
        }
    }
    names.variables =
        environment.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    Ok(names)
}
