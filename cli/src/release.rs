//! The releases of DAOS whose messages the program knows.

use std::fmt;

use drpc::Framing;

/// A release of DAOS. Others of the same line have its messages, as far as the program can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 0.8.0.
    V0_8,
    /// 2.6.5.
    V2_6,
    /// 2.8.0.
    V2_8,
}

impl Release {
    /// All releases, the oldest first.
    pub const ALL: [Self; 3] = [Self::V0_8, Self::V2_6, Self::V2_8];

    /// The name in arguments and in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_8 => "0.8",
            Self::V2_6 => "2.6",
            Self::V2_8 => "2.8",
        }
    }

    /// The name with all its numbers, as in the table of methods.
    pub fn full_name(self) -> &'static str {
        match self {
            Self::V0_8 => "0.8.0",
            Self::V2_6 => "2.6.5",
            Self::V2_8 => "2.8.0",
        }
    }

    /// The release of a name, short or full.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|release| [release.name(), release.full_name()].contains(&name))
    }

    /// The releases that a peer of this framing may be of.
    pub fn of_framing(framing: Framing) -> &'static [Self] {
        match framing {
            Framing::Datagram => &[Self::V0_8, Self::V2_6],
            _ => &[Self::V2_8],
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a framing in output.
pub fn framing_name(framing: Framing) -> &'static str {
    match framing {
        Framing::Datagram => "datagram",
        _ => "chunked",
    }
}
