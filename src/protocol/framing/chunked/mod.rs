//! One message as one or more records, each with a header of 24 bytes.
//!
//! ```text
//!   0       8       16      20      24
//!   ┌───────┬───────┬───────┬───────┬──────────────
//!   │ total │ data  │ index │ count │ data bytes …
//!   └───────┴───────┴───────┴───────┴──────────────
//!     u64     u64     u32     u32     in host byte order
//! ```
//!
//! Every chunk but the last is full. An empty message is one chunk without data.

mod chunker;
mod header;
mod reassembly;

pub use chunker::Chunks;
pub use header::{HEADER_LEN, Header, MAX_DATA, MAX_RECORD, is_first_chunk};
pub use reassembly::{BodyBuffer, Message, Progress, Reassembly};
