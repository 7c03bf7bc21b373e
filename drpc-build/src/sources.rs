//! The .proto files, compiled by protox.

use std::path::Path;

use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use protox::{Compiler, Error};

/// The file that a service imports to be numbered by options, and its name.
const OPTIONS: (&str, &str) = ("drpc/options.proto", include_str!("../../proto/drpc/options.proto"));

/// Compiles files, and what they import: from the folders given, or of what this crate and protox carry.
pub(crate) fn compile(files: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<Compiler, Error> {
    let mut resolver = ChainFileResolver::new();
    for include in includes {
        resolver.add(IncludeFileResolver::new(include.as_ref().to_owned()));
    }
    resolver.add(OwnFiles);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_source_info(true).include_imports(true).open_files(files)?;
    Ok(compiler)
}

/// What this crate carries.
struct OwnFiles;

impl FileResolver for OwnFiles {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match OPTIONS {
            (own, source) if own == name => File::from_source(name, source),
            _ => Err(Error::file_not_found(name)),
        }
    }
}
