//! The numbers of services and their methods.

use std::collections::{BTreeMap, HashMap};

use protox::Compiler;
use protox::file::FileMetadata;
use protox::prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ServiceDescriptor};

use crate::error::Error;

/// Numbers that the build script gives, by the full names of services or methods. They count more than options.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) modules: BTreeMap<String, i32>,
    pub(crate) methods: BTreeMap<String, i32>,
}

/// The numbers of a service: of its module, and of its methods in their order.
#[derive(Debug, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) module: i32,
    pub(crate) methods: Vec<i32>,
}

impl Given {
    /// The numbers of every service in the files that were asked for, by full names. Services of files that these import
    /// have none.
    pub(crate) fn of_services(&self, compiler: &Compiler) -> Result<HashMap<String, Numbers>, Error> {
        let pool = compiler.descriptor_pool();
        let asked = compiler.files().filter(|file| !file.is_import()).map(FileMetadata::name);
        let files = asked.filter_map(|name| pool.get_file_by_name(name));
        let services: Vec<_> = files.flat_map(|file| file.services().collect::<Vec<_>>()).collect();
        self.check_names(&services)?;
        let mut owners: HashMap<i32, &str> = HashMap::new();
        let mut all = HashMap::new();
        for service in &services {
            let numbers = self.of_service(&pool, service)?;
            if let Some(other) = owners.insert(numbers.module, service.full_name()) {
                let (name, module) = (service.full_name(), numbers.module);
                return Err(Error::new(format!("{other} and {name} both have module number {module}")));
            }
            all.insert(service.full_name().to_owned(), numbers);
        }
        Ok(all)
    }

    /// Each name that has been given a number is that of a service or a method.
    fn check_names(&self, services: &[ServiceDescriptor]) -> Result<(), Error> {
        let is_service = |name: &&String| services.iter().any(|service| service.full_name() == *name);
        let is_method =
            |name: &&String| services.iter().any(|service| service.methods().any(|method| method.full_name() == *name));
        if let Some(name) = self.modules.keys().find(|name| !is_service(name)) {
            return Err(Error::new(format!("module number of {name}: no such service in the files given")));
        }
        if let Some(name) = self.methods.keys().find(|name| !is_method(name)) {
            return Err(Error::new(format!("method number of {name}: no such method in the files given")));
        }
        Ok(())
    }

    fn of_service(&self, pool: &DescriptorPool, service: &ServiceDescriptor) -> Result<Numbers, Error> {
        let name = service.full_name();
        if service.methods().len() == 0 {
            return Err(Error::new(format!("service {name} has no methods")));
        }
        let by_option = || option(pool, &service.options(), "drpc.module");
        let module = self.modules.get(name).copied().or_else(by_option).ok_or_else(|| {
            Error::new(format!(
                "service {name} has no module number: write `option (drpc.module) = 100;` in it and \
                 `import \"drpc/options.proto\";` above, or in build.rs \
                 `drpc_build::configure().module(\"{name}\", 100)`"
            ))
        })?;
        let mut methods: Vec<i32> = Vec::new();
        for (method, place) in service.methods().zip(0..) {
            let number = self.of_method(pool, &method, module, place)?;
            if let Some(other) = methods.iter().zip(service.methods()).find(|(other, _)| **other == number) {
                let (other, method) = (other.1.name().to_owned(), method.name());
                return Err(Error::new(format!("{other} and {method} of {name} both have method number {number}")));
            }
            methods.push(number);
        }
        Ok(Numbers { module, methods })
    }

    fn of_method(
        &self,
        pool: &DescriptorPool,
        method: &MethodDescriptor,
        module: i32,
        place: i32,
    ) -> Result<i32, Error> {
        let name = method.full_name();
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(Error::new(format!("{name} is a streaming method, and dRPC has one response to one call")));
        }
        let given = self.methods.get(name).copied();
        let by_rule = || module.checked_mul(100)?.checked_add(1)?.checked_add(place);
        given.or_else(|| option(pool, &method.options(), "drpc.method")).or_else(by_rule).ok_or_else(|| {
            Error::new(format!(
                "{name} needs a number of its own: {module} * 100 + 1 + {place} does not fit in 32 bits"
            ))
        })
    }
}

/// The value of an option of `drpc/options.proto`, if it is set.
fn option(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Option<i32> {
    let extension = pool.get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).as_i32())?
}
