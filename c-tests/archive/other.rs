//! Another library in Rust, which panics in a thread of its own and catches that.

/// Gives `n` back, or -1 if that panicked.
#[unsafe(no_mangle)]
pub extern "C" fn other_work(n: i32) -> i32 {
    let work = move || std::panic::catch_unwind(|| if n > 1 { panic!("of the other library") } else { n }).unwrap_or(-1);
    std::thread::spawn(work).join().unwrap_or(-2)
}
