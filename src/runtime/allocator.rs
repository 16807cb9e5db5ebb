//! Overwrites memory before it is given back: what the dependencies buffered of a request and its answer, too.
//!
//! For the shared library, where nobody else's memory is concerned; a Rust program chooses its own allocator.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::slice;

use zeroize::Zeroize;

struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

// SAFETY: the system's allocator, but for what is in a block while nobody owns it. What grows or shrinks moves, by the
// trait's own `realloc`, which gives the old block back to `dealloc`.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises, it is a block of that size, which nobody uses any more.
        unsafe {
            slice::from_raw_parts_mut(block.cast::<std::mem::MaybeUninit<u8>>(), layout.size()).zeroize();
            System.dealloc(block, layout);
        }
    }
}
