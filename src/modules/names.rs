//! The names of modules and methods in texts and logs, as in `mgmt.get_attach_info`.
//!
//! A name is what DAOS's constant says behind its prefix, in small letters: DRPC_METHOD_MGMT_GET_ATTACH_INFO is
//! `get_attach_info` of `mgmt`. Where DAOS has renamed a method, it has the last name.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::CStr;
use std::fmt;

use super::mgmt::before_1_2;
use super::{mgmt, sec, sec_agent, srv};

/// The names of the modules and methods of a line of releases.
///
/// ```
/// use drpc::modules::mgmt;
/// use drpc::modules::names::Names;
///
/// let names = Names::V2_8;
/// assert_eq!(names.module(mgmt::MODULE), Some("mgmt"));
/// assert_eq!(names.method(mgmt::MODULE, mgmt::GET_ATTACH_INFO), Some("get_attach_info"));
/// assert_eq!(names.call(mgmt::MODULE, mgmt::GET_ATTACH_INFO).to_string(), "mgmt.get_attach_info");
/// assert_eq!(names.call(7, 701).to_string(), "7.701");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names(Line);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    V0_8,
    V2_8,
}

/// A module: its number, its name and its methods.
type Module = (i32, &'static CStr, &'static [Method]);

/// A method: its number and its name.
type Method = (i32, &'static CStr);

/// The methods with these constants.
macro_rules! methods {
    ($module:ident: $($constant:ident)*) => { [$(($module::$constant, small_letters!($constant))),*] };
}

/// A constant's name in small letters, as a C string.
macro_rules! small_letters {
    ($constant:ident) => {{
        const NAME: &str = concat!(stringify!($constant), "\0");
        const SMALL: [u8; NAME.len()] = to_small_letters(NAME);
        match CStr::from_bytes_with_nul(&SMALL) {
            Ok(name) => name,
            Err(_) => c"",
        }
    }};
}

const fn to_small_letters<const LEN: usize>(name: &str) -> [u8; LEN] {
    let mut small = [0; LEN];
    small.copy_from_slice(name.as_bytes());
    small.make_ascii_lowercase();
    small
}

const TEST: Module = (super::TEST, c"test", &[]);
const SEC_AGENT: Module = (sec_agent::MODULE, c"sec_agent", &methods!(sec_agent: REQUEST_CREDS));
const SEC: Module = (sec::MODULE, c"sec", &methods!(sec: VALIDATE_CREDS));

const MGMT_0_8: [Method; 20] = methods!(mgmt:
    KILL_RANK SET_RANK CREATE_MS START_MS JOIN GET_ATTACH_INFO POOL_CREATE POOL_DESTROY SET_UP BIO_HEALTH_QUERY
    SMD_LIST_DEVS SMD_LIST_POOLS POOL_GET_ACL LIST_POOLS POOL_OVERWRITE_ACL POOL_UPDATE_ACL POOL_DELETE_ACL
    PREP_SHUTDOWN DEV_STATE_QUERY DEV_SET_FAULTY);

/// The methods whose numbers moved in 1.2.
const MGMT_1_0: [Method; 4] = methods!(before_1_2: LIST_CONTAINERS POOL_QUERY POOL_SET_PROP PING_RANK);

const MGMT_1_2: [Method; 32] = methods!(mgmt:
    DEV_REPLACE LIST_CONTAINERS POOL_QUERY POOL_SET_PROP PING_RANK POOL_REINT CONT_SET_OWNER POOL_EXCLUDE POOL_EXTEND
    POOL_EVICT POOL_DRAIN GROUP_UPDATE NOTIFY_EXIT DEV_IDENTIFY NOTIFY_POOL_CONNECT NOTIFY_POOL_DISCONNECT
    POOL_GET_PROP SET_LOG_MASKS POOL_UPGRADE POOL_QUERY_TARGETS LED_MANAGE CHK_START CHK_STOP CHK_QUERY CHK_PROP
    CHK_ACT SETUP_CLIENT_TELEM GROUP_STATUS_GET CHK_SET_POLICY POOL_REBUILD_START POOL_REBUILD_STOP
    POOL_SELF_HEAL_EVAL);

const SRV_0_8: [Method; 2] = methods!(srv: NOTIFY_READY BIO_ERR);

const SRV_1_2: [Method; 9] = methods!(srv:
    GET_POOL_SVC CLUSTER_EVENT POOL_FIND_BYLABEL CHK_LIST_POOL CHK_REG_POOL CHK_DEREG_POOL CHK_REPORT LIST_POOLS
    GET_SYS_PROPS);

/// The methods of one list and then those of another one.
const fn joined<const LEN: usize>(first: &[Method], second: &[Method]) -> [Method; LEN] {
    let mut all = [(0, c""); LEN];
    let (start, end) = all.split_at_mut(first.len());
    start.copy_from_slice(first);
    end.copy_from_slice(second);
    all
}

/// The modules of DAOS 0.8 to 1.0.
const V0_8: [Module; 5] = [
    TEST,
    SEC_AGENT,
    (mgmt::MODULE, c"mgmt", &joined::<24>(&MGMT_0_8, &MGMT_1_0)),
    (srv::MODULE, c"srv", &SRV_0_8),
    SEC,
];

/// The modules of DAOS 1.2 to 2.8.
const V2_8: [Module; 5] = [
    TEST,
    SEC_AGENT,
    (mgmt::MODULE, c"mgmt", &joined::<52>(&MGMT_0_8, &MGMT_1_2)),
    (srv::MODULE, c"srv", &joined::<11>(&SRV_0_8, &SRV_1_2)),
    SEC,
];

impl Names {
    /// The names of DAOS 0.8 to 1.0.
    pub const V0_8: Self = Self(Line::V0_8);

    /// The names of DAOS 1.2 to 2.8.
    pub const V2_8: Self = Self(Line::V2_8);

    /// The name of a module; `None` for a module that DAOS does not have.
    pub fn module(self, module: i32) -> Option<&'static str> {
        self.c_module(module)?.to_str().ok()
    }

    /// The name of a method in its module; `None` for a method that DAOS does not have.
    pub fn method(self, module: i32, method: i32) -> Option<&'static str> {
        self.c_method(module, method)?.to_str().ok()
    }

    /// A call's module and method by name, with a number where there is no name.
    pub fn call(self, module: i32, method: i32) -> CallName {
        CallName(Naming::Numbers { names: self, module, method })
    }

    /// The same as [`module`](Self::module) for C.
    #[doc(hidden)]
    pub fn c_module(self, module: i32) -> Option<&'static CStr> {
        self.find(module).map(|(_, name, _)| *name)
    }

    /// The same as [`method`](Self::method) for C.
    #[doc(hidden)]
    pub fn c_method(self, module: i32, method: i32) -> Option<&'static CStr> {
        let (_, _, methods) = self.find(module)?;
        methods.iter().find(|(number, _)| *number == method).map(|(_, name)| *name)
    }

    fn find(self, module: i32) -> Option<&'static Module> {
        self.modules().iter().find(|(number, _, _)| *number == module)
    }

    fn modules(self) -> &'static [Module] {
        match self.0 {
            Line::V0_8 => &V0_8,
            Line::V2_8 => &V2_8,
        }
    }
}

/// A call's module and method in words: `mgmt.get_attach_info`, or `7.701` without names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallName(Naming);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    Numbers { names: Names, module: i32, method: i32 },
    Given(&'static str),
}

impl CallName {
    /// The name of a method that is not DAOS's, as in `calc.Calc.Add`.
    pub fn given(name: &'static str) -> Self {
        Self(Naming::Given(name))
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, module, method) = match self.0 {
            Naming::Numbers { names, module, method } => (names, module, method),
            Naming::Given(name) => return f.write_str(name),
        };
        match names.module(module) {
            Some(name) => write!(f, "{name}.")?,
            None => write!(f, "{module}.")?,
        }
        match names.method(module, method) {
            Some(name) => f.write_str(name),
            None => write!(f, "{method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_and_no_name_is_there_twice() {
        for names in [Names::V0_8, Names::V2_8] {
            let numbers: HashSet<_> = names.modules().iter().map(|(number, _, _)| number).collect();
            let texts: HashSet<_> = names.modules().iter().map(|(_, name, _)| name).collect();
            assert_eq!((numbers.len(), texts.len()), (5, 5));
            for (_, module, methods) in names.modules() {
                let numbers: HashSet<_> = methods.iter().map(|(number, _)| number).collect();
                let texts: HashSet<_> = methods.iter().map(|(_, name)| name).collect();
                assert_eq!((numbers.len(), texts.len()), (methods.len(), methods.len()), "{module:?}");
            }
        }
    }

    /// No number is left out but those that no release has had.
    #[test]
    fn methods_are_numbered_from_the_first_to_the_last() {
        let count = |names: Names| {
            let module = |module: i32| {
                let methods = names.find(module).map(|(_, _, methods)| *methods).unwrap_or_default();
                let from_first = (module * 100 + 1..).take(methods.len());
                assert!(from_first.clone().all(|method| names.method(module, method).is_some()), "{module}");
                methods.len()
            };
            [0, 1, 2, 3, 4].map(module)
        };
        assert_eq!(count(Names::V0_8), [0, 1, 24, 2, 1]);
        assert_eq!(count(Names::V2_8), [0, 1, 52, 11, 1]);
    }

    #[test]
    fn a_number_has_the_name_of_its_line() {
        assert_eq!(Names::V0_8.method(2, 221), Some("list_containers"));
        assert_eq!(Names::V2_8.method(2, 221), Some("dev_replace"));
        assert_eq!(Names::V0_8.method(3, 303), None);
        assert_eq!(Names::V2_8.method(2, 226), Some("pool_reint"));
        assert_eq!(Names::V2_8.method(3, 306), Some("chk_list_pool"));
    }

    #[test]
    fn numbers_stand_where_there_is_no_name() {
        let text = |module, method| Names::V2_8.call(module, method).to_string();
        assert_eq!(text(1, 101), "sec_agent.request_creds");
        assert_eq!(text(2, 299), "mgmt.299");
        assert_eq!(text(0, 0), "test.0");
        assert_eq!(text(-1, i32::MIN), "-1.-2147483648");
        // A method of another module.
        assert_eq!(text(1, 201), "sec_agent.201");
    }
}
