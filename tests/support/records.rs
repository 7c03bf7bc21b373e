//! Messages cut into records. It shares no code with the library.

use drpc::Framing;
use drpc::framing::chunked::MAX_DATA;

/// A chunk of a message.
pub(crate) fn chunk(total: usize, index: u32, count: u32, data: &[u8]) -> Vec<u8> {
    let sizes = [total as u64, data.len() as u64].map(u64::to_ne_bytes).concat();
    let place = [index, count].map(u32::to_ne_bytes).concat();
    [&sizes, &place, data].concat()
}

/// The records of a message.
pub(crate) fn records(framing: Framing, message: &[u8]) -> Vec<Vec<u8>> {
    match framing {
        Framing::Datagram => vec![message.to_vec()],
        _ if message.is_empty() => vec![chunk(0, 0, 1, b"")],
        _ => {
            let pieces = message.chunks(MAX_DATA);
            let count = pieces.len() as u32;
            (0..count).zip(pieces).map(|(index, piece)| chunk(message.len(), index, count, piece)).collect()
        }
    }
}
