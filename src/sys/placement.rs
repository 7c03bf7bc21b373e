//! Where bytes have to lie for the kernel to copy them quickly.
//!
//! On AMD's Zen 3 and Zen 4, `rep movsb`, by which the kernel copies, takes twenty times as long where the destination
//! stands up to 15 bytes further in its page than the source in its own. The kernel puts each byte of a record at the
//! record's own offset in a page. A record that meets this is quicker by way of the thread's record buffer, whose place is
//! another one.

use std::io::IoSlice;

use once_cell::race::OnceBool;

/// The size of a page, within which the places of two pieces of memory are compared.
const PAGE: usize = 4096;

/// The distances at which copying is slow are smaller than this.
const WINDOW: usize = 16;

/// The largest piece that is copied slowly without harm.
const HARMLESS: usize = 4 << 10;

/// True if the kernel is slow at copying `len` bytes from `source` to `destination`: addresses, or offsets in a record.
#[inline]
pub(super) fn is_slow(destination: usize, source: usize, len: usize) -> bool {
    let ahead = destination.wrapping_sub(source) % PAGE;
    len > HARMLESS && ahead != 0 && ahead < WINDOW && processor_is_slow()
}

/// True if the kernel is slow at copying one of the slices into a record.
#[inline]
pub fn is_slow_record(slices: &[IoSlice<'_>]) -> bool {
    let mut offset = 0;
    slices.iter().any(|slice| {
        let destination = offset;
        offset += slice.len();
        is_slow(destination, slice.as_ptr().addr(), slice.len())
    })
}

/// True if the processor is one of those with the slow distances. Tests take every processor for one.
fn processor_is_slow() -> bool {
    static IS_SLOW: OnceBool = OnceBool::new();
    cfg!(test) || IS_SLOW.get_or_init(is_zen_3_or_4)
}

#[cfg(target_arch = "x86_64")]
#[cold]
// Older compilers call the function unsafe.
#[allow(unused_unsafe)]
fn is_zen_3_or_4() -> bool {
    use std::arch::x86_64::__cpuid;

    // SAFETY: every 64-bit x86 processor has the instruction, and functions 0 and 1 of it.
    let (maker, version) = unsafe { (__cpuid(0), __cpuid(1).eax) };
    let is_amd = [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes) == [*b"Auth", *b"enti", *b"cAMD"];
    let family = ((version >> 8) & 0xf) + ((version >> 20) & 0xff);
    is_amd && family == 0x19
}

#[cfg(not(target_arch = "x86_64"))]
fn is_zen_3_or_4() -> bool {
    false
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_destination_a_little_further_in_its_page_is_slow() {
        for (ahead, slow) in [(0, false), (1, true), (15, true), (16, false), (PAGE - 1, false), (PAGE + 1, true)] {
            for source in [0, 16, 5000] {
                assert_eq!(is_slow(source + ahead, source, HARMLESS + 1), slow, "{ahead} from {source}");
                assert!(!is_slow(source + ahead, source, HARMLESS));
            }
        }
    }

    #[test]
    fn each_slice_counts_with_its_own_offset() {
        let bytes = vec![0; 4 * PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        let body = &bytes[start + 16..][..HARMLESS + 1];
        for (header, slow) in [(16, false), (17, true), (30, true), (31, true), (32, false)] {
            let header = vec![0; header];
            assert_eq!(is_slow_record(&[IoSlice::new(&header), IoSlice::new(body)]), slow, "{}", header.len());
        }
    }
}
