//! `drpc man`: manual pages.

use std::path::PathBuf;
use std::{fs, io};

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use clap_mangen::Man;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(super) const COMMAND: Entry = Entry { name: "man", about: "Write the manual pages", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc man | man -l -
  drpc man /usr/local/share/man/man1";

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("DIR")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("The directory for drpc.1 and a page for each command; without it drpc.1 goes to stdout"),
        )
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let mut program = super::program();
    program.build();
    match matches.get_one::<PathBuf>("DIR") {
        Some(directory) => {
            for command in program.get_subcommands().chain([&program]) {
                let file = directory.join(format!("{}.1", name_of(command)));
                let written = page(command).and_then(|page| fs::write(&file, page));
                written.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            }
        }
        None => Output::of(matches).bytes(page(&program)?.as_bytes())?,
    }
    Ok(Exit::Good)
}

/// The name of a command's page: that of the program is before it.
fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The date that pages have. Change it when what they say has changed much.
const DATE: &str = "2026-11-30";

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).source(concat!("drpc ", env!("CARGO_PKG_VERSION"))).manual("dRPC");
    let man = man.title(name_of(command).to_uppercase()).date(DATE);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    let mut page = page.replace(" \n", "\n").replace(".br\n\n.br\n", ".sp\n");
    if let Some(text) = command.get_after_help() {
        page.push_str(&notes(&text.to_string()));
    }
    Ok(page)
}

/// What stands below the options. Paragraphs are filled, and examples, whose lines are indented, stay as they are.
fn notes(text: &str) -> String {
    let mut notes = ".SH NOTES\n".to_owned();
    let mut before = "";
    for line in text.lines() {
        notes += match (before.starts_with(' '), line.starts_with(' ')) {
            (false, true) => ".nf\n",
            (true, false) => ".fi\n",
            (false, false) if !before.is_empty() && !line.is_empty() => ".br\n",
            _ => "",
        };
        notes += &match line {
            "" => ".PP\n".to_owned(),
            line => format!("\\&{}\n", line.replace('\\', "\\e").replace('-', "\\-")),
        };
        before = line;
    }
    notes += if before.starts_with(' ') { ".fi\n" } else { "" };
    notes
}
