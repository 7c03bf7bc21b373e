//! Modules and methods: their numbers, names and messages by release, and what harm they do.

use std::sync::LazyLock;

use serde_json::Value;

use crate::exit::Failure;
use crate::release::Release;

/// A method of one release: a row of `tables/methods.csv`.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The release that has the method so.
    pub release: Release,
    /// The name of the module, as in `mgmt`.
    pub module: &'static str,
    /// The module and the method by number.
    pub id: MethodId,
    /// The name of the method, as in `get_attach_info`.
    pub name: &'static str,
    /// Who serves it: `agent`, `server`, `engine`, `test`, or several with semicolons between; `none` has a name only.
    pub server: &'static str,
    /// The message of the call's body; `None` for an empty one.
    pub request: Option<&'static str>,
    /// The message of the answer's body; `None` for an empty one.
    pub response: Option<&'static str>,
    /// The fields of the answer that hold a DAOS error number, that of the method itself first. Semicolons are between.
    pub status_fields: &'static str,
    /// The fields that hold secrets, as in `resp:token.data`, some behind `maybe:`. Semicolons are between.
    pub secret_fields: &'static str,
    class: Class,
}

/// A method by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId {
    /// The number of the module.
    pub module: i32,
    /// The number of the method.
    pub method: i32,
}

/// What harm a method may do, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Changes nothing.
    Read,
    /// Changes nothing, but a credential is in the call or in the answer.
    Credential,
    /// Changes state.
    Change,
    /// May cost data, or a server. So may each method that the tables do not list.
    Danger,
}

impl Class {
    /// The name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Credential => "credential",
            Self::Change => "change",
            Self::Danger => "danger",
        }
    }
}

/// The modules of DAOS by name. Their methods have classes; other modules belong to other people.
pub const MODULES: [(i32, &str); 5] = [(0, "test"), (1, "sec_agent"), (2, "mgmt"), (3, "srv"), (4, "sec")];

static METHODS: LazyLock<Vec<Method>> =
    LazyLock::new(|| include_str!("../tables/methods.csv").lines().skip(1).filter_map(Method::of_row).collect());

/// The method of which one call does no harm with an empty action, `GET`, and changes state with any other one.
const LED_MANAGE: MethodId = MethodId { module: 2, method: 241 };

impl Method {
    fn of_row(row: &'static str) -> Option<Self> {
        let mut cells = row.split(',');
        let mut cell = || cells.next();
        let release = Release::named(cell()?)?;
        let module = cell()?;
        let number = MODULES.iter().find(|(_, name)| *name == module).map(|(number, _)| *number)?;
        let id = MethodId { module: number, method: cell()?.parse().ok()? };
        let (name, server) = (cell()?, cell()?);
        let mut message = || cell().map(|name| Some(name).filter(|name| !name.is_empty()));
        let (request, response) = (message()?, message()?);
        let (status_fields, secret_fields) = (cell()?, cell()?);
        let class = match cell()? {
            "read" => Class::Read,
            "credential" => Class::Credential,
            "change" => Class::Change,
            _ => Class::Danger,
        };
        Some(Self { release, module, id, name, server, request, response, status_fields, secret_fields, class })
    }

    /// The name with that of the module, as in `mgmt.get_attach_info`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }

    /// What harm a call with this body may do. Without a body, any body is meant.
    pub fn class(&self, body: Option<&Value>) -> Class {
        match body.and_then(|body| body.as_object()) {
            Some(fields) if self.id == LED_MANAGE => {
                let action = fields.get("led_action").or_else(|| fields.get("ledAction"));
                let gets = action.is_none_or(|action| action.is_null() || action == "GET" || action == 0);
                if gets { Class::Read } else { self.class }
            }
            _ => self.class,
        }
    }
}

impl MethodId {
    /// True for modules of DAOS, whose methods have classes.
    pub fn is_of_daos(self) -> bool {
        is_module(self.module)
    }

    /// The method in each release that has it, the oldest first.
    pub fn rows(self) -> impl Iterator<Item = &'static Method> {
        METHODS.iter().filter(move |method| method.id == self)
    }

    /// The method in a release.
    pub fn in_release(self, release: Release) -> Option<&'static Method> {
        self.rows().find(|method| method.release == release)
    }

    /// What harm a call may do in the worst of these releases. Methods of other people do none that is known.
    pub fn class(self, releases: &[Release], body: Option<&Value>) -> Class {
        if !self.is_of_daos() {
            return Class::Read;
        }
        let of = |release: &Release| self.in_release(*release).map_or(Class::Danger, |method| method.class(body));
        releases.iter().map(of).max().unwrap_or(Class::Danger)
    }

    /// The name, with numbers where there is none: `mgmt.get_attach_info`, `mgmt.299`, `7.701`.
    pub fn name(self) -> String {
        let listed = self.rows().last().map(Method::full_name);
        listed.unwrap_or_else(|| drpc::modules::names::Names::V2_8.call(self.module, self.method).to_string())
    }
}

/// All methods of all releases.
pub fn all() -> &'static [Method] {
    &METHODS
}

/// All methods by number, each once.
pub fn ids() -> Vec<MethodId> {
    let mut ids: Vec<_> = METHODS.iter().map(|method| method.id).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// True for the number of a module of DAOS.
pub fn is_module(number: i32) -> bool {
    MODULES.iter().any(|(module, _)| *module == number)
}

/// The methods that have this part in their full name, in any case and with any separators.
pub fn with_part(part: &str) -> Vec<MethodId> {
    let part = key_of(part);
    ids().into_iter().filter(|id| !part.is_empty() && key_of(&id.name()).contains(&part)).collect()
}

/// The full names of all methods.
pub fn names() -> Vec<String> {
    ids().into_iter().map(MethodId::name).collect()
}

/// The method that a user names: `mgmt.get_attach_info`, `GetAttachInfo`, `2/206`, `mgmt.206`, in any case.
pub fn find(given: &str) -> Result<MethodId, Failure> {
    if let Some((module, method)) = given.split_once(['/', '.'])
        && let (Some(module), Ok(method)) = (module_number(module), method.parse())
    {
        return Ok(MethodId { module, method });
    }
    let key = key_of(given);
    let mut found: Vec<MethodId> = METHODS
        .iter()
        .filter(|method| [key_of(method.name), key_of(&method.full_name())].contains(&key))
        .map(|method| method.id)
        .collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [method] => Ok(*method),
        [] => Err(unknown(given, &key)),
        several => {
            let names = several.iter().map(|method| method.name()).collect::<Vec<_>>().join(" or ");
            Err(Failure::usage(format!("{given} is a method of several modules: say {names}")))
        }
    }
}

/// The number of a module, given by number or by name.
pub fn module_number(given: &str) -> Option<i32> {
    let named = MODULES.iter().find(|(_, name)| key_of(name) == key_of(given)).map(|(number, _)| *number);
    given.parse().ok().or(named)
}

fn unknown(given: &str, key: &str) -> Failure {
    let nearest = nearest(names().into_iter().map(|name| {
        let bare = name.split_once('.').map_or(name.as_str(), |(_, method)| method);
        let near = |text: &str| similarity(key, &key_of(text));
        let part = if key.len() > 2 && key_of(bare).contains(key) { 1.0 } else { 0.0 };
        (near(bare).max(near(&name)).max(part), name)
    }));
    let cure = "`drpc list` shows all; a method of other people is given by number, as in 7/701";
    Failure::usage(match nearest.as_slice() {
        [] => format!("there is no method {given}: {cure}"),
        names => format!("there is no method {given}: the nearest names are {}; {cure}", names.join(", ")),
    })
}

/// How alike two words are, from 0 to 1.
pub fn similarity(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other)
}

/// The best three of the words that are near enough.
pub fn nearest(words: impl Iterator<Item = (f64, String)>) -> Vec<String> {
    let mut words: Vec<_> = words.filter(|(similarity, _)| *similarity > 0.8).collect();
    words.sort_by(|one, other| other.0.total_cmp(&one.0));
    words.into_iter().take(3).map(|(_, word)| word).collect()
}

/// A name without its case, its separators, and the prefix of DAOS's constants.
fn key_of(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    let key: String = letters.flat_map(char::to_lowercase).collect();
    key.strip_prefix("drpcmethod").map(str::to_owned).unwrap_or(key)
}
