//! The code for a service: a client, the trait of a server, and the module that serves an implementation.

use std::collections::HashMap;
use std::fmt::{self, Write};

use prost_build::{Comments, Method, Service, ServiceGenerator};

use crate::numbers::Numbers;

/// Generates code for the services that have numbers.
pub(crate) struct Generator {
    pub(crate) numbers: HashMap<String, Numbers>,
}

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, out: &mut String) {
        let name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        if let Some(numbers) = self.numbers.get(&name) {
            let _ = write!(out, "{}", Code { name: &name, service: &service, numbers });
        }
    }
}

/// The code for a service with this full name.
struct Code<'a> {
    name: &'a str,
    service: &'a Service,
    numbers: &'a Numbers,
}

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_client(f)?;
        self.write_trait(f)?;
        self.write_module(f)
    }
}

impl Code<'_> {
    fn methods(&self) -> impl Iterator<Item = (&Method, i32)> {
        self.service.methods.iter().zip(self.numbers.methods.iter().copied())
    }

    fn write_client(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (full_name, service, module) = (self.name, &self.service.name, self.numbers.module);
        write!(
            f,
            "/// Calls the service `{full_name}`.
#[allow(dead_code)]
#[derive(Clone, Debug)]
pub struct {service}Client {{
    client: ::drpc::Client,
    options: ::drpc::CallOptions,
}}
#[allow(dead_code)]
impl {service}Client {{
    /// The number of the module.
    pub const MODULE: i32 = {module};
"
        )?;
        for (method, number) in self.methods() {
            let (constant, name) = (constant(method), &method.proto_name);
            write!(
                f,
                "    /// The method `{name}`.
    pub const {constant}: ::drpc::typed::Method = ::drpc::typed::Method::new({module}, {number}, \"{full_name}.{name}\");
"
            )?;
        }
        write!(
            f,
            "    /// Calls the service by way of a client, with its options.
    pub fn new(client: ::drpc::Client) -> Self {{
        Self {{ client, options: ::drpc::CallOptions::new() }}
    }}
    /// The same client, whose calls have these options. A timeout begins anew with each call.
    pub fn with(&self, options: ::drpc::CallOptions) -> Self {{
        Self {{ client: self.client.clone(), options }}
    }}
"
        )?;
        for (method, _) in self.methods() {
            let Method { name, input_type, output_type, .. } = method;
            let (constant, plain) = (constant(method), plain_name(method));
            write_comments(f, &method.comments, 1)?;
            write!(
                f,
                "    pub fn {name}(&self, request: &{input_type}) -> ::core::result::Result<{output_type}, ::drpc::typed::CallError> {{
        ::drpc::typed::call(&self.client, &self.options, &Self::{constant}, request)
    }}
    /// The same as a future, for any executor.
    pub async fn {plain}_async(&self, request: &{input_type}) -> ::core::result::Result<{output_type}, ::drpc::typed::CallError> {{
        ::drpc::typed::call_async(&self.client, &self.options, &Self::{constant}, request).await
    }}
"
            )?;
        }
        f.write_str("}\n")
    }

    fn write_trait(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service.name;
        write_comments(f, &self.service.comments, 0)?;
        write!(
            f,
            "#[allow(dead_code)]
pub trait {service}: ::core::marker::Send + ::core::marker::Sync {{
"
        )?;
        for (method, _) in self.methods() {
            write_comments(f, &method.comments, 1)?;
            writeln!(f, "    {};", Signature(method))?;
        }
        write!(
            f,
            "}}
impl<T: {service} + ?::core::marker::Sized> {service} for ::std::sync::Arc<T> {{
"
        )?;
        for (method, _) in self.methods() {
            let name = &method.name;
            write!(
                f,
                "    {} {{
        (**self).{name}(session, request)
    }}
",
                Signature(method)
            )?;
        }
        f.write_str("}\n")
    }

    fn write_module(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (full_name, service, module) = (self.name, &self.service.name, self.numbers.module);
        write!(
            f,
            "/// The module {module} of a server, which serves `{full_name}` by a [`{service}`].
#[allow(dead_code)]
#[derive(Clone, Debug)]
pub struct {service}Module<T> {{
    service: T,
    concurrent: bool,
}}
#[allow(dead_code)]
impl<T: {service}> {service}Module<T> {{
    /// The module that this implementation serves.
    pub fn new(service: T) -> Self {{
        Self {{ service, concurrent: false }}
    }}
    /// Whether calls of one session may be served at the same time, and answered in any order. Unless set, the next call
    /// waits until the one before has been answered.
    pub fn concurrent(self, concurrent: bool) -> Self {{
        Self {{ concurrent, ..self }}
    }}
}}
impl<T: {service}> ::drpc::Module for {service}Module<T> {{
    fn id(&self) -> i32 {{
        {module}
    }}
    fn concurrent(&self) -> bool {{
        self.concurrent
    }}
    fn handle(
        &self,
        session: &::drpc::Session,
        method: i32,
        body: &[u8],
    ) -> ::core::result::Result<::std::vec::Vec<u8>, ::drpc::Failure> {{
        match method {{
"
        )?;
        for (method, number) in self.methods() {
            let name = &method.name;
            writeln!(
                f,
                "            {number} => ::drpc::typed::serve(body, |request| self.service.{name}(session, request)),"
            )?;
        }
        f.write_str(
            "            _ => ::core::result::Result::Err(::drpc::Failure::unknown_method()),
        }
    }
}
",
        )
    }
}

/// The method as the trait has it.
struct Signature<'a>(&'a Method);

impl fmt::Display for Signature<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Method { name, input_type, output_type, .. } = self.0;
        write!(
            f,
            "fn {name}(&self, session: &::drpc::Session, request: {input_type}) -> \
             ::core::result::Result<{output_type}, ::drpc::Failure>"
        )
    }
}

/// The name of a method as a part of a name, which is never a keyword.
fn plain_name(method: &Method) -> &str {
    method.name.trim_start_matches("r#")
}

/// The name of a method's constant.
fn constant(method: &Method) -> String {
    plain_name(method).to_uppercase()
}

fn write_comments(f: &mut fmt::Formatter<'_>, comments: &Comments, depth: u8) -> fmt::Result {
    let mut text = String::new();
    // What stands apart from the method is not about it.
    Comments { leading_detached: Vec::new(), ..comments.clone() }.append_with_indent(depth, &mut text);
    f.write_str(&text)
}
