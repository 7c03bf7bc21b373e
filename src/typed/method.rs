//! A method of a service.

use std::fmt;

/// A method of a service: its numbers, and its name in the .proto file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    module: i32,
    number: i32,
    name: &'static str,
}

impl Method {
    /// The method of a module with this number and this name, as in `calc.Calc.Add`.
    pub const fn new(module: i32, number: i32, name: &'static str) -> Self {
        Self { module, number, name }
    }

    /// The number of the module.
    pub const fn module(&self) -> i32 {
        self.module
    }

    /// The number of the method.
    pub const fn number(&self) -> i32 {
        self.number
    }

    /// The name of the method.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// The name of the method.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}
