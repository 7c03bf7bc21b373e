//! Compiles the messages of each release, from `proto/daos/`, into sets of descriptors that the program carries.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

const RELEASES: [&str; 3] = ["0.8.0", "2.6.5", "2.8.0"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let all = Path::new("../proto/daos");
    println!("cargo::rerun-if-changed={}", all.display());
    for release in RELEASES {
        let root = all.join(release);
        let mut files = Vec::new();
        collect(&root, &mut files)?;
        files.sort();
        fs::write(out.join(format!("{release}.binpb")), protox::compile(&files, [&root])?.encode_to_vec())?;
    }
    Ok(())
}

/// Collects the `.proto` files of a folder and those below it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
