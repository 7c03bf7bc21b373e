//! `drpc completions`: the completions of a shell.

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::Output;

pub(super) const COMMAND: Entry =
    Entry { name: "completions", about: "Write the completions of a shell to stdout", arguments, run };

const EXAMPLES: &str = "\
Examples:
  source <(drpc completions bash)
  drpc completions zsh >~/.zfunc/_drpc
  drpc completions fish >~/.config/fish/completions/drpc.fish";

fn arguments(command: Command) -> Command {
    command
        .arg(Arg::new("SHELL").required(true).value_parser(["bash", "zsh", "fish"]).help("The shell"))
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let shell = match matches.get_one::<String>("SHELL").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::program(), "drpc", &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = match shell {
        Shell::Zsh => with_socket_files(&script),
        Shell::Fish => with_words(&script),
        _ => with_engines(&script),
    };
    Output::of(matches).bytes(script.as_bytes())?;
    Ok(Exit::Good)
}

/// The function that lists the engines of this host: `engine:PID` for each socket.
const ENGINES_OF_BASH: &str = r#"_drpc_engines() {
    local socket
    for socket in /var/run/daos_server/daos_{engine,io_server}_*.sock; do
        socket=${socket##*_}
        [[ $socket == [0-9]* ]] && echo "engine:${socket%.sock}"
    done
}

"#;

/// The beginning of the generated function of bash, which takes a colon for the end of a word: `engine:4` comes in three words.
const BEGIN_OF_BASH: &str = "_drpc() {\n";
const PID_OF_BASH: &str = r#"    local at=$COMP_CWORD
    [[ ${COMP_WORDS[at]} == : ]] || at=$((at - 1))
    if [[ $at -gt 1 && ${COMP_WORDS[at]} == : && ${COMP_WORDS[at - 1]} == engine ]]; then
        COMPREPLY=($(compgen -W "$(_drpc_engines | cut -d : -f 2)" -- "${2#:}"))
        return
    fi
"#;

/// The generated script of bash has the words that are addresses. The engines join them.
fn with_engines(script: &str) -> String {
    let roles = options::addresses().join(" ");
    let script = script.replace(&format!(" {roles} "), &format!(" {roles} $(_drpc_engines) "));
    let script = script.replace(&format!(" {roles}\""), &format!(" {roles} $(_drpc_engines)\""));
    let function = format!("{ENGINES_OF_BASH}{BEGIN_OF_BASH}{PID_OF_BASH}");
    script.replacen(BEGIN_OF_BASH, &function, 1)
}

/// The generated script of zsh offers either words or files. An address may be one of the words, or a socket file.
fn with_socket_files(script: &str) -> String {
    let roles = options::addresses().join(" ");
    let function = ADDRESSES_OF_ZSH.replace("ROLES", &roles);
    let script = script.replace(&format!(":({roles})'"), ":_drpc_addresses'");
    match script.split_once("\n\n") {
        Some((head, rest)) => format!("{head}\n\n{function}{rest}"),
        None => script,
    }
}

const ADDRESSES_OF_ZSH: &str = r#"_drpc_addresses() {
    local -a drpc_words=(/var/run/daos_server/daos_(engine|io_server)_<->.sock(N:t:r))
    drpc_words=(ROLES engine:${^drpc_words##*_})
    _alternative 'roles:role:compadd -a drpc_words' 'files:socket:_files'
}

"#;

const ENGINES_OF_FISH: &str = r"function __fish_drpc_engines
    for socket in /var/run/daos_server/daos_{engine,io_server}_*.sock
        string replace -rf '.*_([0-9]+)\.sock$' 'engine:$1' $socket
    end
end
";

/// The generated script of fish leaves the words out.
fn with_words(script: &str) -> String {
    let mut script = format!("{ENGINES_OF_FISH}{script}");
    let roles = options::addresses().join(" ");
    let mut program = super::program();
    program.build();
    for command in program.get_subcommands() {
        for words in command.get_positionals().map(|argument| argument.get_possible_values()) {
            let words = words.iter().map(|word| word.get_name()).collect::<Vec<_>>().join(" ");
            if !words.is_empty() {
                let condition = format!("__fish_drpc_using_subcommand {}", command.get_name());
                let engines = if words == roles { " (__fish_drpc_engines)" } else { "" };
                script += &format!("complete -c drpc -n \"{condition}\" -a \"{words}{engines}\"\n");
            }
        }
    }
    script
}
