//! Writes the C headers, or checks that they are up to date: `cargo run -p drpc-headers -- write | check`.
//!
//! cbindgen makes the declarations and comments out of the Rust sources. Which source goes into which header, and the
//! little that Rust cannot say (macros, conditional includes), stands in the table below.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cbindgen::{Builder, Config};

mod table;
mod text;

use table::Header;

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
    for header in table::headers() {
        let path = root().join(&header.path);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&path, generate(&header)?)?;
    }
    Ok(())
}

fn check() -> Result<(), Box<dyn Error>> {
    let mut stale = Vec::new();
    for header in table::headers() {
        let committed = fs::read_to_string(root().join(&header.path)).unwrap_or_default();
        if committed != generate(&header)? {
            stale.push(header.path);
        }
    }
    for line in table::LINES {
        for directory in ["daos", "drpc"] {
            for file in fs::read_dir(root().join(format!("include/{line}/{directory}")))? {
                let path = format!("include/{line}/{directory}/{}", file?.file_name().to_string_lossy());
                let known = table::headers().iter().any(|header| header.path == path);
                if !known && !path.ends_with("drpc.pb-c.h") {
                    return Err(format!("{path} is none of the headers in headers/src/table.rs").into());
                }
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!("not what the sources say: {}\nrun `make headers` and commit the result", stale.join(", ")).into())
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
