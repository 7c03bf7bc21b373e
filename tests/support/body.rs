//! The body of the calls and responses that the recordings and the tests send.

/// Bytes that show where a body was cut or moved.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7) as u8).collect()
}
