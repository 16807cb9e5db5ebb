//! Jitter: spreads what many processes would otherwise do at the same moment.

use core::time::Duration;

/// A number drawn evenly from all `u32`. The caller draws it, because nothing here may be random.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(pub u32);

impl Jitter {
    /// The number that lengthens everything most.
    pub(crate) const MAX: Self = Self(u32::MAX);

    /// Within 10 % of the length.
    pub(crate) fn around(self, length: Duration) -> Duration {
        length - length / 10 + self.fraction(length / 5)
    }

    /// In the upper half of the length.
    pub(crate) fn upper_half(self, length: Duration) -> Duration {
        length / 2 + self.fraction(length / 2)
    }

    fn fraction(self, length: Duration) -> Duration {
        length.mul_f64(f64::from(self.0) / f64::from(u32::MAX))
    }
}
