//! The memory of published tokens: pages that core dumps leave out, of a table for ever, or of one cache.

use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;

use super::PublishedToken;

impl PublishedToken {
    /// Published tokens without an owner that are never freed, so that a reader may use one at any time.
    pub(crate) fn row(count: usize) -> &'static [Self] {
        // SAFETY: `count` values were allocated, and nothing frees them.
        unsafe { slice::from_raw_parts(allocate(count).as_ptr(), count) }
    }
}

/// A published token that belongs to its cache, or to a table that is never freed.
pub(crate) enum MaybeOwned {
    Owned(Owned),
    Static(&'static PublishedToken),
}

impl MaybeOwned {
    /// A published token of this owner.
    pub(crate) fn of(owner: u64) -> Self {
        let owned = Owned(allocate(1));
        owned.set_owner(owner);
        Self::Owned(owned)
    }
}

impl From<&'static PublishedToken> for MaybeOwned {
    fn from(published: &'static PublishedToken) -> Self {
        Self::Static(published)
    }
}

impl Deref for MaybeOwned {
    type Target = PublishedToken;

    #[inline(always)]
    fn deref(&self) -> &PublishedToken {
        match self {
            Self::Owned(owned) => owned,
            Self::Static(published) => published,
        }
    }
}

/// Like a `Box`, in memory of [`allocate`].
pub(crate) struct Owned(NonNull<PublishedToken>);

// SAFETY: it owns a value that any thread may use and free.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Deref for Owned {
    type Target = PublishedToken;

    #[inline(always)]
    fn deref(&self) -> &PublishedToken {
        // SAFETY: one value was allocated, and only `drop` frees it.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it was allocated for one value, and nothing borrows from `self` any more.
        unsafe { free(self.0) };
    }
}

/// Memory that the system provides page by page, when it is first written.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
fn allocate(count: usize) -> NonNull<PublishedToken> {
    use std::alloc::{Layout, handle_alloc_error};
    use std::ptr;

    use libc::{MADV_DONTDUMP, MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE};
    let layout = Layout::array::<PublishedToken>(count).expect("a row fits into memory");
    // SAFETY: new pages, large enough for all values. A published token consists of nothing but atomic integers, for
    // which all bits 0 is the value 0.
    let pages = unsafe {
        let access = PROT_READ | PROT_WRITE;
        let pages = libc::mmap(ptr::null_mut(), layout.size(), access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if pages == MAP_FAILED {
            handle_alloc_error(layout);
        }
        libc::madvise(pages, layout.size(), MADV_DONTDUMP); // a kernel may refuse
        pages
    };
    NonNull::new(pages.cast()).expect("the system maps no page at 0 unasked")
}

/// # Safety
/// `published` was allocated for one value, and is not used any more.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(miri)))]
unsafe fn free(published: NonNull<PublishedToken>) {
    // SAFETY: as the caller promises. It fails only for arguments that were never mapped.
    unsafe { libc::munmap(published.as_ptr().cast(), size_of::<PublishedToken>()) };
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
fn allocate(count: usize) -> NonNull<PublishedToken> {
    // SAFETY: as above.
    let values = unsafe { Box::<[PublishedToken]>::new_zeroed_slice(count).assume_init() };
    NonNull::from(Box::leak(values)).cast()
}

/// # Safety
/// `published` was allocated for one value, and is not used any more.
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(miri))))]
unsafe fn free(published: NonNull<PublishedToken>) {
    // SAFETY: as the caller promises; a slice of one value has the layout of the value.
    drop(unsafe { Box::from_raw(published.as_ptr()) });
}
