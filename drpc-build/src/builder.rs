//! The settings of a build.

use std::path::{Path, PathBuf};

use prost_build::Config;

use crate::error::Error;
use crate::generator::Generator;
use crate::numbers::Given;
use crate::sources;

/// Settings for [`compile_protos`](Builder::compile_protos), such as numbers that do not stand in the .proto files.
///
/// ```no_run
/// fn main() -> Result<(), drpc_build::Error> {
///     drpc_build::configure().module("calc.Calc", 100).compile_protos(&["calc.proto"], &["."])
/// }
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    given: Given,
    out_dir: Option<PathBuf>,
}

/// The default settings, to be changed.
pub fn configure() -> Builder {
    Builder::default()
}

impl Builder {
    /// The module number of a service, by its full name, as in `calc.Calc`. It counts more than the option in the file.
    #[must_use]
    pub fn module(mut self, service: impl Into<String>, number: i32) -> Self {
        self.given.modules.insert(service.into(), number);
        self
    }

    /// The number of a method, by its full name, as in `calc.Calc.Add`. It counts more than the option in the file.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>, number: i32) -> Self {
        self.given.methods.insert(method.into(), number);
        self
    }

    /// The folder where the code goes; Cargo's `OUT_DIR` unless set.
    #[must_use]
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// Generates the code. See [`compile_protos`](crate::compile_protos).
    pub fn compile_protos(self, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
        self.compile_protos_with_config(Config::new(), protos, includes)
    }

    /// Generates the code, with prost's own settings. Those of where the code goes, of services, and of the path to prost
    /// are replaced.
    pub fn compile_protos_with_config(
        self,
        mut config: Config,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let compiler = sources::compile(protos, includes)?;
        let numbers = self.given.of_services(&compiler)?;
        if let Some(folder) = self.out_dir {
            config.out_dir(folder);
        }
        config.prost_path("::drpc::prost").service_generator(Box::new(Generator { numbers }));
        config.compile_fds(compiler.file_descriptor_set())?;
        for file in compiler.files().filter_map(|file| file.path()) {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// The committed code is what is generated. `UPDATE=1 cargo test -p drpc-build --lib` writes it anew.
    #[test]
    fn generated_code_is_as_committed() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (protos, examples) = (package.join("tests/protos"), package.join("../examples/calc"));
        let out = tempfile::tempdir().unwrap();
        let generate = |builder: Builder, file: PathBuf, include: &Path| {
            builder.out_dir(out.path()).compile_protos(&[file], &[include]).unwrap();
        };
        let calc = configure().module("calc.Calc", 100);
        generate(calc, examples.join("calc.proto"), &examples);
        generate(configure(), protos.join("test/numbered.proto"), &protos);
        let mut names: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["calc.rs", "test.numbered.rs", "test.types.rs"]);
        for name in names {
            let (fresh, committed) = (out.path().join(&name), package.join("tests/generated").join(&name));
            if env::var_os("UPDATE").is_some() {
                fs::copy(&fresh, &committed).unwrap();
            }
            let [fresh, committed] = [fresh, committed].map(|file| fs::read_to_string(file).unwrap());
            assert_eq!(fresh, committed, "{name:?}");
        }
    }
}
