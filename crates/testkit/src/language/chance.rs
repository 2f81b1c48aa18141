//! Numbers that are the same in every run: `SplitMix64`.

/// A source of choices; the same seed makes the same ones.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Choices of this seed.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of so many, from 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap();
        usize::try_from(self.number() % n).unwrap()
    }

    /// Yes in so many of a hundred cases.
    pub fn percent(&mut self, n: u64) -> bool {
        self.number() % 100 < n
    }

    /// One of these.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// From `least` to `most` different ones of these, in their order.
    pub fn some<T: Clone>(&mut self, of: &[T], least: usize, most: usize) -> Vec<T> {
        let wanted = least + self.below(most.min(of.len()) + 1 - least);
        let mut left: Vec<usize> = (0..of.len()).collect();
        while left.len() > wanted {
            let gone = self.below(left.len());
            left.remove(gone);
        }
        left.into_iter().map(|at| of[at].clone()).collect()
    }
}
