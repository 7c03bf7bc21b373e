//! A circular list: `d_list_t` of gurt.

use std::ptr;

/// A link of a circular list, or its head.
#[repr(C)]
pub struct d_list_t {
    /// The next link.
    pub next: *mut d_list_t,
    /// The previous link.
    pub prev: *mut d_list_t,
}

/// A link outside any list.
pub(crate) const UNLINKED: d_list_t = d_list_t { next: ptr::null_mut(), prev: ptr::null_mut() };

/// Makes `head` an empty list.
///
/// # Safety
/// `head` is valid for writing.
pub(crate) unsafe fn init(head: *mut d_list_t) {
    // SAFETY: the caller's promise.
    unsafe { head.write(d_list_t { next: head, prev: head }) };
}

/// Inserts `link` at the front of the list.
///
/// # Safety
/// `head` is the head of a list, `link` is in none.
pub(crate) unsafe fn add(link: *mut d_list_t, head: *mut d_list_t) {
    // SAFETY: the caller's promise; the links of a list are valid.
    unsafe {
        let first = (*head).next;
        link.write(d_list_t { next: first, prev: head });
        (*first).prev = link;
        (*head).next = link;
    }
}

/// Removes `link` from its list.
///
/// # Safety
/// `link` is in a list.
pub(crate) unsafe fn remove(link: *mut d_list_t) {
    // SAFETY: the caller's promise; the links of a list are valid.
    unsafe {
        (*(*link).next).prev = (*link).prev;
        (*(*link).prev).next = (*link).next;
        link.write(UNLINKED);
    }
}

/// The links of a list in order, without its head. The link returned last may be removed and freed.
#[derive(Clone)]
pub(crate) struct Links {
    head: *mut d_list_t,
    next: *mut d_list_t,
}

/// # Safety
/// `head` is the head of a list. While the result is used, the list changes only by removal of the link returned last
/// or by insertion in front.
pub(crate) unsafe fn links(head: *mut d_list_t) -> Links {
    // SAFETY: the caller's promise.
    Links { head, next: unsafe { (*head).next } }
}

impl Iterator for Links {
    type Item = *mut d_list_t;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.head || self.next.is_null() {
            return None;
        }
        let link = self.next;
        // SAFETY: `links` was promised that the links are valid.
        self.next = unsafe { (*link).next };
        Some(link)
    }
}
