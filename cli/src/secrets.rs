//! Secrets in bodies, which are masked.

use serde_json::Value;

use crate::methods::Method;

/// What stands in the place of a secret.
pub const MASK: &str = "(masked)";

/// The side of a call that a body is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The body of a call.
    Request,
    /// The body of an answer.
    Response,
}

/// The paths of secrets in a body of these methods, which are one method in several releases.
fn paths<'a>(methods: &'a [&'static Method], side: Side) -> impl Iterator<Item = &'static str> + 'a {
    let prefix = if side == Side::Request { "req:" } else { "resp:" };
    methods
        .iter()
        .flat_map(|method| method.secret_fields.split(';'))
        .filter_map(move |path| path.strip_prefix("maybe:").unwrap_or(path).strip_prefix(prefix))
}

/// True if a body may have secrets, so that it is not to be shown as bytes.
pub fn may_hold(methods: &[&'static Method], side: Side) -> bool {
    paths(methods, side).next().is_some()
}

/// Masks the secrets in a body.
pub fn mask(json: &mut Value, methods: &[&'static Method], side: Side) {
    for path in paths(methods, side) {
        mask_at(json, path);
    }
}

fn mask_at(json: &mut Value, path: &str) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
    let Some(value) = json.get_mut(name) else { return };
    let mask_one = |value: &mut Value| match rest {
        Some(rest) => mask_at(value, rest),
        // An empty field holds nothing, which may be what the user wants to know.
        None if value == "" || value.is_null() => {}
        None => *value = Value::from(MASK),
    };
    match value {
        Value::Array(items) if is_list => items.iter_mut().for_each(mask_one),
        value => mask_one(value),
    }
}
