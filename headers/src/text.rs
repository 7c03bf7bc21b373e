//! From what cbindgen prints to the header as it is read.

use crate::table::Header;

/// Puts guard, first comment, includes and macros around the declarations, and makes the comments a C reader's.
pub(crate) fn finish(header: &Header, declarations: &str) -> String {
    let guard = header.guard.map_or_else(|| guard(&header.path), str::to_owned);
    let declarations = with_struct_tags(&on_one_line(&without_safety_notes(declarations)));
    let mut declarations = declarations.trim().to_owned();
    if let Some((item, text)) = header.between {
        let before = declarations.find(item).and_then(|at| declarations.get(..at)?.rfind("/**"));
        declarations.insert_str(before.unwrap_or_default(), &format!("{text}\n"));
    }
    if let Some((name, guard)) = header.elsewhere {
        leave_out_after(&mut declarations, name, guard);
    }
    let before = if header.before.is_empty() { String::new() } else { format!("{}\n", header.before) };
    format!(
        "/*\n * {}\n *\n * Generated from the Rust sources: see headers/.\n */\n#ifndef {guard}\n#define {guard}\n\n\
         {before}{declarations}\n{}\n#endif /* {guard} */\n",
        header.about, header.after
    )
}

/// Leaves the declaration of a struct to a header that has been read already.
fn leave_out_after(declarations: &mut String, name: &str, guard: &str) {
    const END: &str = "\n};\n";
    let Some(at) = declarations.find(&format!("struct {name} {{")) else { return };
    let comment = declarations.get(..at).and_then(|before| before.rfind("/**"));
    let end = declarations.get(at..).and_then(|after| after.find(END));
    if let (Some(start), Some(end)) = (comment, end) {
        declarations.insert_str(at + end + END.len(), &format!("#endif /* {guard} */\n"));
        declarations.insert_str(start, &format!("#ifndef {guard}\n"));
    }
}

/// The guard of a header: its path below the include directory, in capitals.
fn guard(path: &str) -> String {
    let name = path.splitn(3, '/').last().unwrap_or(path);
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("LIBDRPC_{name}")
}

/// Leaves out of every comment what begins with "# Safety": it is for readers of the Rust source.
fn without_safety_notes(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_safety = false;
    for line in text.lines() {
        let body = line.trim();
        if body == "* # Safety" {
            in_safety = true;
            while kept.last().is_some_and(|line| line.trim() == "*") {
                kept.pop();
            }
        }
        in_safety &= body != "*/";
        if !in_safety {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Makes comments of one sentence comments of one line.
fn on_one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut joined = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        rest = after;
        let sentence = match after {
            [only, end, ..] if line.trim() == "/**" && end.trim() == "*/" => only.trim().strip_prefix("* "),
            _ => None,
        };
        match sentence {
            Some(sentence) => {
                joined.push(format!("{}/** {sentence} */", line.trim_end_matches("/**")));
                rest = after.get(2..).unwrap_or_default();
            }
            None => joined.push((*line).to_owned()),
        }
    }
    joined.join("\n")
}

/// Structs that headers use and others declare.
const DECLARED_ELSEWHERE: [&str; 5] = ["drpc", "drpc_server", "drpc_client", "drpc_session", "drpc_call_options"];

/// Writes `struct` before the names of structs where cbindgen, which has not seen their declarations, leaves it out.
fn with_struct_tags(text: &str) -> String {
    let mut tagged = text.to_owned();
    for name in DECLARED_ELSEWHERE {
        for before in [" ", "(", "\n"] {
            tagged = tagged.replace(&format!("{before}{name} *"), &format!("{before}struct {name} *"));
        }
        tagged = tagged.replace(&format!("struct struct {name} *"), &format!("struct {name} *"));
    }
    tagged
}
