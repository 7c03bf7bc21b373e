//! The structure of the sources: layers use those below them, and no file uses one that uses it, by way of others or not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree};

/// A path to an item, from the root of the crate.
type ItemPath = Vec<String>;

/// Files that one uses, each with a path by which it does.
type Uses<'a> = BTreeMap<&'a Path, &'a [String]>;

/// A module in a file of its own.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Names that stand for items of other modules.
    imports: BTreeMap<String, ItemPath>,
    /// Modules of which every name is imported.
    globs: Vec<ItemPath>,
    /// Names that are defined here.
    items: BTreeSet<String>,
    /// Every path that is written in the module.
    paths: Vec<ItemPath>,
}

/// The modules of a crate by their paths. Those that exist for tests only are left out.
struct Crate {
    root: PathBuf,
    modules: BTreeMap<ItemPath, Module>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut this = Self { root: root.to_owned(), modules: BTreeMap::new() };
        this.read_module(&root.join("lib.rs"), root, Vec::new());
        this
    }

    fn read_module(&mut self, file: &Path, folder: &Path, path: ItemPath) {
        let source = fs::read_to_string(file).unwrap();
        let items = syn::parse_file(&source).unwrap().items;
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items.iter().filter(|item| !is_for_tests(attributes(item))) {
            if let Item::Mod(child) = item
                && child.content.is_none()
            {
                let (name, mut path) = (child.ident.to_string(), path.clone());
                let inner = folder.join(&name);
                let flat = folder.join(&name).with_extension("rs");
                let file = if flat.exists() { flat } else { inner.join("mod.rs") };
                path.push(name);
                self.read_module(&file, &inner, path);
            } else {
                module.read_item(item, &path);
            }
        }
        self.modules.insert(path, module);
    }

    /// The module that defines an item, and where there is none, as with an item of another crate, nothing.
    fn definer(&self, path: &[String], depth: usize) -> Option<&ItemPath> {
        let known = (0..=path.len()).rev().find_map(|len| self.modules.get_key_value(&path[..len]));
        let (found, module) = known?;
        let name = path.get(found.len())?;
        let rest = &path[found.len() + 1..];
        if depth == 0 || module.items.contains(name) {
            return Some(found);
        }
        let through = |target: &ItemPath| [target, rest].concat();
        if let Some(target) = module.imports.get(name) {
            return self.definer(&through(target), depth - 1);
        }
        let inside = |glob: &ItemPath| self.definer(&[glob, &path[found.len()..]].concat(), depth - 1);
        module.globs.iter().find_map(inside)
    }

    /// A file, from the root of the crate.
    fn name(&self, file: &Path) -> String {
        file.strip_prefix(&self.root).unwrap().display().to_string()
    }

    /// The files that each file uses.
    fn uses(&self) -> BTreeMap<&Path, Uses<'_>> {
        self.modules.values().map(|module| (module.file.as_path(), self.uses_of(module))).collect()
    }

    fn uses_of<'a>(&'a self, module: &'a Module) -> Uses<'a> {
        let file = |path: &'a ItemPath| Some((self.modules[self.definer(path, 9)?].file.as_path(), path.as_slice()));
        module.paths.iter().filter_map(file).filter(|(file, _)| *file != module.file).collect()
    }
}

impl Module {
    fn read_item(&mut self, item: &Item, at: &ItemPath) {
        if let Item::Use(item) = item {
            self.read_use(&item.tree, at, at);
        } else {
            self.items.extend(name(item));
            self.read_tokens(item.to_token_stream(), at);
        }
    }

    fn read_use(&mut self, tree: &UseTree, from: &ItemPath, at: &ItemPath) {
        match tree {
            UseTree::Path(path) => self.read_use(&path.tree, &step(from, &path.ident.to_string(), at), at),
            UseTree::Name(name) => self.import(&name.ident.to_string(), from, &name.ident.to_string(), at),
            UseTree::Rename(rename) => self.import(&rename.rename.to_string(), from, &rename.ident.to_string(), at),
            UseTree::Glob(_) => self.globs.push(from.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.read_use(tree, from, at)),
        }
    }

    fn import(&mut self, name: &str, from: &ItemPath, item: &str, at: &ItemPath) {
        let target = if item == "self" { from.clone() } else { step(from, item, at) };
        let name =
            if item == "self" && name == "self" { target.last().cloned().unwrap_or_default() } else { name.to_owned() };
        self.imports.insert(name, target.clone());
        self.paths.push(target);
    }

    /// Every `a::b::c`, in macros as well.
    fn read_tokens(&mut self, tokens: TokenStream, at: &ItemPath) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_path(&mut path, at);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_path(&mut path, at);
                    colons = 0;
                    self.read_tokens(group.stream(), at);
                }
                _ => {
                    self.end_path(&mut path, at);
                    colons = 0;
                }
            }
        }
        self.end_path(&mut path, at);
    }

    fn end_path(&mut self, path: &mut Vec<String>, at: &ItemPath) {
        if path.len() > 1 {
            let absolute = path.iter().fold(at.clone(), |from, name| step(&from, name, at));
            self.paths.push(absolute);
        }
        path.clear();
    }
}

/// The path that a name leads to from another one.
fn step(from: &[String], name: &str, at: &[String]) -> ItemPath {
    match name {
        "crate" => Vec::new(),
        "self" => at.to_vec(),
        "super" => from.split_last().map(|(_, parent)| parent.to_vec()).unwrap_or_default(),
        _ => [from, &[name.to_owned()]].concat(),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Left out unless tests are built.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    conditions
        .map(|attribute| attribute.meta.to_token_stream().to_string())
        .any(|condition| !condition.contains("not") && ["test", "shuttle"].iter().any(|word| condition.contains(word)))
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// The files that a file uses, directly or by way of others.
fn reached<'a>(uses: &BTreeMap<&'a Path, Uses<'a>>, from: &'a Path) -> BTreeSet<&'a Path> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(uses[file].keys().filter(|other| reached.insert(**other)));
    }
    reached
}

/// A use of a file by another one.
type Use<'a> = (&'a Path, &'a Path, &'a [String]);

fn all_uses<'a>(uses: &BTreeMap<&'a Path, Uses<'a>>) -> Vec<Use<'a>> {
    uses.iter().flat_map(|(file, others)| others.iter().map(|(other, path)| (*file, *other, *path))).collect()
}

/// Each use that is part of a circle.
fn circles(modules: &Crate) -> Vec<(String, String, String)> {
    let uses = modules.uses();
    let reached: BTreeMap<_, _> = uses.keys().map(|file| (*file, reached(&uses, file))).collect();
    let of_circle = all_uses(&uses).into_iter().filter(|(file, other, _)| reached[other].contains(file));
    of_circle.map(|(file, other, path)| (modules.name(file), modules.name(other), path.join("::"))).collect()
}

/// The one circle that there is: the reactor holds its sessions, and a session its reactor.
const REACTOR: [&str; 2] = ["server/reactor.rs", "server/server_session.rs"];

/// The layers, from the bottom, each with those that it uses: folders of `src`, and files beside them. Files that are not
/// named are for all from the fourth on.
const LAYERS: [(&str, &[&str]); 10] = [
    ("sys", &["adaptive_spin.rs", "cause.rs"]),
    ("protocol", &["cause.rs", "large_block.rs"]),
    ("transport", &["protocol", "sys", "cause.rs", "large_block.rs"]),
    ("peer", &["protocol", "sys", "cause.rs", "sync.rs"]),
    ("modules", &[]),
    ("blocking", &["*", "transport", "protocol", "sys"]),
    ("client", &["*", "modules", "peer", "transport", "protocol", "sys"]),
    ("server", &["*", "modules", "transport", "protocol", "sys"]),
    ("typed", &["*", "client", "modules", "protocol"]),
    ("tokio", &["*", "server", "client", "sys"]),
];

/// The layers that files beside the folders use. `lib.rs` hands on what all of them have.
const BESIDE: [&str; 4] = ["*", "modules", "protocol", "sys"];

fn source(root: &str) -> Crate {
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root))
}

#[test]
fn no_files_use_each_other() {
    for root in ["src", "abi/src"] {
        let mut found = circles(&source(root));
        found.retain(|(file, other, _)| !REACTOR.contains(&file.as_str()) || !REACTOR.contains(&other.as_str()));
        assert!(found.is_empty(), "circles in {root}: {found:#?}");
    }
}

#[test]
fn layers_use_those_below() {
    let modules = source("src");
    for (file, other, path) in all_uses(&modules.uses()) {
        let [from, to] = [file, other].map(|file| modules.name(file).split('/').next().unwrap().to_owned());
        let below = LAYERS.iter().find(|(layer, _)| *layer == from).map(|(_, below)| *below);
        let below = below.unwrap_or(&BESIDE);
        let allowed = below.contains(&to.as_str()) || to.ends_with(".rs") && below.contains(&"*");
        assert!(from == "lib.rs" || from == to || allowed, "{} uses {}", modules.name(file), path.join("::"));
    }
}

/// By an import, by a path in a body, in a macro, by way of a re-export, and of a third file.
#[test]
fn a_circle_is_found() {
    let circle = |files: &[(&str, &str)]| {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        circles(&Crate::read(root.path())).into_iter().map(|(file, other, _)| (file, other)).collect::<Vec<_>>()
    };
    let pair = |one: &str, other: &str| [(one.to_owned(), other.to_owned()), (other.to_owned(), one.to_owned())];
    let lib = ("lib.rs", "mod a; mod b; pub use b::B;");
    let b = ("b.rs", "pub struct B; fn b() { super::a::f() }");
    for a in [
        "use crate::b::B; pub fn f() {}",
        "pub fn f() { drop(crate::b::B) }",
        "pub fn f() { println!(\"{:?}\", super::b::B::default()) }",
        "pub fn f() { drop(crate::B) }",
        "use super::*; pub fn f() { B::new() }",
    ] {
        assert_eq!(circle(&[lib, ("a.rs", a), b]), pair("a.rs", "b.rs"), "{a}");
    }
    for a in ["pub fn f() {}", "pub fn f() {} #[cfg(test)] mod tests { use crate::b::B; }"] {
        assert_eq!(circle(&[lib, ("a.rs", a), b]), []);
    }
    let folder = [
        ("lib.rs", "mod c;"),
        ("c/mod.rs", "mod d; pub struct C; use d::D;"),
        ("c/d.rs", "use super::C; pub struct D;"),
    ];
    assert_eq!(circle(&folder), pair("c/d.rs", "c/mod.rs"));
    let three = [
        ("lib.rs", "mod a; mod b; mod e;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "pub struct B(crate::e::E);"),
        ("e.rs", "pub struct E; fn e() { let _ = super::a::A; }"),
    ];
    assert_eq!(circle(&three), []);
    let three = [three[0], ("a.rs", "use crate::b::B; pub struct A;"), three[2], three[3]];
    assert_eq!(circle(&three).len(), 3);
}
