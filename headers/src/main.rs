//! Writes the C headers and the manual pages, or checks that they are up to date: `cargo run -p drpc-headers -- write | check`.
//!
//! cbindgen makes the declarations and comments out of the Rust sources. Which source goes into which header, and the
//! little that Rust cannot say (macros, conditional includes), stands in `table`. The pages of section 3 are made of the
//! headers, so that a comment is written once.

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cbindgen::{Builder, Config};

mod pages;
mod table;
mod text;

use pages::Page;
use table::Header;

/// The directories that have generated files alone, but for what protoc-c makes.
const DIRECTORIES: [&str; 6] =
    ["include/0.8/daos", "include/0.8/drpc", "include/2.8/daos", "include/2.8/drpc", "man/man3", "man/man7"];

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let done = match command.as_str() {
        "write" => write(),
        "check" => check(),
        _ => Err("usage: drpc-headers write|check".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write() -> Result<(), Box<dyn Error>> {
    let files = files()?;
    for (path, page) in &files {
        let path = root().join(path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        // A page may have become a link, or a link a page.
        if path.is_symlink() {
            fs::remove_file(&path)?;
        }
        match page {
            Page::Text(text) => fs::write(&path, text)?,
            Page::LinkTo(page) => {
                if path.exists() {
                    fs::remove_file(&path)?;
                }
                symlink(page, &path)?;
            }
        }
    }
    for path in unknown(&files)? {
        fs::remove_file(root().join(path))?;
    }
    Ok(())
}

fn check() -> Result<(), Box<dyn Error>> {
    let files = files()?;
    let is_stale = |(path, page): &&(String, Page)| {
        let path = root().join(path);
        match page {
            Page::Text(text) => path.is_symlink() || fs::read_to_string(path).ok().as_ref() != Some(text),
            Page::LinkTo(page) => fs::read_link(path).ok() != Some(page.into()),
        }
    };
    let mut stale: Vec<String> = files.iter().filter(is_stale).map(|(path, _)| path.clone()).collect();
    stale.extend(unknown(&files)?);
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not what the sources say: {}\nrun `make headers` and commit the result", stale.join(", ")).into())
}

/// All generated files, by their path from the top of the repository.
fn files() -> Result<Vec<(String, Page)>, Box<dyn Error>> {
    let read = |path: &str| -> Result<String, Box<dyn Error>> {
        fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}").into())
    };
    let mut files = Vec::new();
    let mut headers = Vec::new();
    for header in table::headers() {
        let text = generate(&header)?;
        files.push((header.path.clone(), Page::Text(text.clone())));
        headers.push((header.path, header.about, text));
    }
    for line in table::LINES {
        let path = format!("include/{line}/{}", table::MESSAGES);
        let text = read(&path)?;
        headers.push((path, table::MESSAGES_ABOUT.to_owned(), text));
    }
    files.extend(pages::pages(&headers, read)?);
    Ok(files)
}

/// Files in the directories of generated ones that are not generated.
fn unknown(files: &[(String, Page)]) -> Result<Vec<String>, Box<dyn Error>> {
    let mut unknown = Vec::new();
    for directory in DIRECTORIES {
        for file in fs::read_dir(root().join(directory))? {
            let path = format!("{directory}/{}", file?.file_name().to_string_lossy());
            if !files.iter().any(|(known, _)| *known == path) && !path.ends_with(table::MESSAGES) {
                unknown.push(path);
            }
        }
    }
    Ok(unknown)
}

fn generate(header: &Header) -> Result<String, Box<dyn Error>> {
    let mut config = Config::from_file(root().join("cbindgen.toml"))?;
    config.export.include = header.items.iter().map(|item| (*item).to_owned()).collect();
    config.export.exclude = header.left_out.iter().map(|item| (*item).to_owned()).collect();
    let mut builder = Builder::new().with_config(config);
    for source in &header.sources {
        builder = builder.with_src(root().join(source));
    }
    let mut declarations = Vec::new();
    builder.generate()?.write(&mut declarations);
    Ok(text::finish(header, &String::from_utf8(declarations)?))
}
