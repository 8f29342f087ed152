//! The elements that quantiles are taken from, as keys in the order of the elements.

use serde::{Deserialize, Serialize};

use super::compactor::{Compactor, Plan};
use super::order::Nan;
use crate::DType;
use crate::number::Number;
use crate::real::Real;

/// The numbers of elements that are NaN, and the ranks of all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sketch {
    n_nan: u64,
    ranks: Ranks,
}

/// The keys of elements: 4 bytes for dtypes of at most 4 bytes, and 8 bytes otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Ranks {
    Nothing,
    Narrow(Kind, Compactor<u32>),
    Wide(Kind, Compactor<u64>),
}

/// The kind of number that keys stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Unsigned,
    Signed,
    Float,
}

impl Kind {
    fn of(number: Number) -> Kind {
        match number {
            Number::Unsigned(_) => Kind::Unsigned,
            Number::Signed(_) => Kind::Signed,
            Number::Float(_) => Kind::Float,
        }
    }
}

const SIGN: u64 = 1 << 63;
const NARROW_SIGN: u32 = 1 << 31;

/// Returns a key that is ordered like the number, which is not NaN.
fn wide(number: Number) -> u64 {
    match number {
        Number::Unsigned(integer) => integer,
        Number::Signed(integer) => integer as u64 ^ SIGN,
        Number::Float(float) => match float.to_bits() {
            bits if bits & SIGN == 0 => bits | SIGN,
            bits => !bits,
        },
    }
}

/// Returns a key that is ordered like the number, an element of a dtype of at most 4 bytes.
fn narrow(number: Number) -> u32 {
    match number {
        Number::Unsigned(integer) => integer as u32,
        Number::Signed(integer) => integer as u32 ^ NARROW_SIGN,
        Number::Float(float) => match (float as f32).to_bits() {
            bits if bits & NARROW_SIGN == 0 => bits | NARROW_SIGN,
            bits => !bits,
        },
    }
}

fn of_wide(kind: Kind, key: u64) -> Number {
    match kind {
        Kind::Unsigned => Number::Unsigned(key),
        Kind::Signed => Number::Signed((key ^ SIGN) as i64),
        Kind::Float if key & SIGN == 0 => Number::Float(f64::from_bits(!key)),
        Kind::Float => Number::Float(f64::from_bits(key ^ SIGN)),
    }
}

fn of_narrow(kind: Kind, key: u32) -> Number {
    match kind {
        Kind::Unsigned => Number::Unsigned(key.into()),
        Kind::Signed => Number::Signed(((key ^ NARROW_SIGN) as i32).into()),
        Kind::Float if key & NARROW_SIGN == 0 => Number::Float(f32::from_bits(!key).into()),
        Kind::Float => Number::Float(f32::from_bits(key ^ NARROW_SIGN).into()),
    }
}

/// Returns the size of a key for elements of a dtype, in bytes.
fn key_size(dtype: DType) -> usize {
    if dtype.size() <= size_of::<u32>() { size_of::<u32>() } else { size_of::<u64>() }
}

/// Returns upper bounds of the memory of the sketch of `n` elements, in bytes: of its heap, and of
/// what it allocates additionally while it changes.
pub(super) fn most_bytes(plan: Plan, n: usize, dtype: DType) -> (usize, usize) {
    let (keys, while_it_changes) = plan.most_keys(n);
    let (size, overhead) = (key_size(dtype), plan.most_overhead::<u64>(n));
    (keys.saturating_mul(size).saturating_add(overhead), while_it_changes.saturating_mul(size))
}

impl Sketch {
    pub(super) const EMPTY: Sketch = Sketch { n_nan: 0, ranks: Ranks::Nothing };

    /// Adds elements.
    pub(super) fn extend<A: Real>(&mut self, plan: Plan, elements: &[A], nan: Nan) {
        /// The number of elements that become keys at once.
        const PIECE: usize = 256;
        let kind = Kind::of(A::default().to_number());
        let is_narrow = size_of::<A>() <= size_of::<u32>();
        self.ranks.prepare(kind, is_narrow);
        for piece in elements.chunks(PIECE) {
            let numbers = piece.iter().filter(|x| !x.is_nan()).map(|x| x.to_number());
            let n_numbers = match &mut self.ranks {
                Ranks::Narrow(_, ranks) => {
                    let mut keys = [0; PIECE];
                    let n_numbers = fill(&mut keys, numbers.map(narrow));
                    ranks.extend(plan, &keys[..n_numbers]);
                    n_numbers
                }
                Ranks::Wide(kind, ranks) => {
                    let mut keys = [0; PIECE];
                    let n_numbers = fill(&mut keys, numbers.map(|number| kind.wide(number)));
                    ranks.extend(plan, &keys[..n_numbers]);
                    n_numbers
                }
                Ranks::Nothing => unreachable!("ranks were prepared"),
            };
            if nan == Nan::Counts {
                self.n_nan += (piece.len() - n_numbers) as u64;
            }
        }
    }

    /// Adds the elements of another sketch. Elements of different kinds or sizes become floats of
    /// 64 bits.
    pub(super) fn merge(&mut self, plan: Plan, next: Sketch) {
        self.n_nan += next.n_nan;
        let (ranks, next) = match (std::mem::replace(&mut self.ranks, Ranks::Nothing), next.ranks) {
            (Ranks::Nothing, ranks) | (ranks, Ranks::Nothing) => {
                self.ranks = ranks;
                return;
            }
            (Ranks::Narrow(kind, mut ranks), Ranks::Narrow(of_next, next)) if kind == of_next => {
                ranks.merge(plan, next);
                self.ranks = Ranks::Narrow(kind, ranks);
                return;
            }
            (Ranks::Wide(kind, ranks), Ranks::Wide(of_next, next)) if kind == of_next => {
                (Ranks::Wide(kind, ranks), Ranks::Wide(of_next, next))
            }
            (ranks, next) => (ranks.into_floats(), next.into_floats()),
        };
        if let (Ranks::Wide(kind, mut ranks), Ranks::Wide(_, next)) = (ranks, next) {
            ranks.merge(plan, next);
            self.ranks = Ranks::Wide(kind, ranks);
        }
    }

    pub(super) fn shrink(&mut self) {
        match &mut self.ranks {
            Ranks::Nothing => {}
            Ranks::Narrow(_, ranks) => ranks.shrink(),
            Ranks::Wide(_, ranks) => ranks.shrink(),
        }
    }

    /// Returns the heap memory, in bytes.
    pub(super) fn heap(&self) -> usize {
        match &self.ranks {
            Ranks::Nothing => 0,
            Ranks::Narrow(_, ranks) => ranks.heap(),
            Ranks::Wide(_, ranks) => ranks.heap(),
        }
    }

    pub(super) fn is_valid(&self, plan: Plan) -> bool {
        match &self.ranks {
            Ranks::Nothing => true,
            Ranks::Narrow(_, ranks) => ranks.is_valid(plan),
            Ranks::Wide(_, ranks) => ranks.is_valid(plan),
        }
    }

    /// Calls a function with each quantile. They are NaN if an element is NaN, or if there are no
    /// elements.
    pub(super) fn quantiles(mut self, quantiles: &[f64], mut each: impl FnMut(Number)) {
        let at = |quantile: f64, n: u64| (quantile * (n - 1) as f64) as u64;
        match &mut self.ranks {
            Ranks::Narrow(kind, ranks) if self.n_nan == 0 && ranks.n() > 0 => {
                ranks.sort();
                let of = |quantile| of_narrow(*kind, ranks.at_rank(at(quantile, ranks.n())));
                quantiles.iter().for_each(|quantile| each(of(*quantile)));
            }
            Ranks::Wide(kind, ranks) if self.n_nan == 0 && ranks.n() > 0 => {
                ranks.sort();
                let of = |quantile| of_wide(*kind, ranks.at_rank(at(quantile, ranks.n())));
                quantiles.iter().for_each(|quantile| each(of(*quantile)));
            }
            _ => quantiles.iter().for_each(|_| each(Number::Float(f64::NAN))),
        }
    }
}

impl Kind {
    /// Returns the key of a number of any kind among keys of this kind.
    fn wide(self, number: Number) -> u64 {
        match self {
            Kind::Float => wide(Number::Float(number.to_f64())),
            Kind::Signed | Kind::Unsigned => wide(number),
        }
    }
}

impl Ranks {
    /// Makes the ranks fit for elements of a kind.
    fn prepare(&mut self, kind: Kind, is_narrow: bool) {
        let fits = match self {
            Ranks::Nothing => {
                *self = if is_narrow {
                    Ranks::Narrow(kind, Compactor::new())
                } else {
                    Ranks::Wide(kind, Compactor::new())
                };
                true
            }
            Ranks::Narrow(present, _) => *present == kind && is_narrow,
            Ranks::Wide(present, _) => *present == Kind::Float || (*present == kind && !is_narrow),
        };
        if !fits {
            *self = std::mem::replace(self, Ranks::Nothing).into_floats();
        }
    }

    /// Returns the ranks of the same elements as floats of 64 bits.
    fn into_floats(self) -> Ranks {
        let float = |number: Number| wide(Number::Float(number.to_f64()));
        let ranks = match self {
            Ranks::Nothing => Compactor::new(),
            Ranks::Narrow(kind, ranks) => ranks.map(|key| float(of_narrow(kind, key))),
            Ranks::Wide(kind, ranks) => ranks.map(|key| float(of_wide(kind, key))),
        };
        Ranks::Wide(Kind::Float, ranks)
    }
}

/// Fills the front of an array, and returns the number of its filled entries.
fn fill<K>(keys: &mut [K], mut next: impl Iterator<Item = K>) -> usize {
    let mut n_keys = 0;
    keys.iter_mut().zip(&mut next).for_each(|(key, next)| {
        *key = next;
        n_keys += 1;
    });
    n_keys
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    /// Checks that ascending elements have ascending keys, from which they are made again.
    fn check<A: Real>(ascending: &[A]) {
        let kind = Kind::of(ascending[0].to_number());
        let numbers = || ascending.iter().map(|x| x.to_number());
        let keys: Vec<u64> = numbers().map(wide).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{ascending:?}");
        assert!(numbers().eq(keys.iter().map(|key| of_wide(kind, *key))));
        if size_of::<A>() <= 4 {
            let keys: Vec<u32> = numbers().map(narrow).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{ascending:?}");
            assert!(numbers().eq(keys.iter().map(|key| of_narrow(kind, *key))));
        }
    }

    #[test]
    fn keys_are_ordered_like_the_elements_of_every_dtype() {
        check(&[false, true]);
        check(&[u8::MIN, 1, u8::MAX]);
        check(&[u16::MIN, 1, u16::MAX]);
        check(&[u32::MIN, 1, u32::MAX]);
        check(&[u64::MIN, 1, (1 << 53) + 1, u64::MAX]);
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[i16::MIN, -1, 0, 1, i16::MAX]);
        check(&[i32::MIN, -1, 0, 1, i32::MAX]);
        check(&[i64::MIN, -1, 0, 1, (1 << 53) + 1, i64::MAX]);
        let halves = [f16::NEG_INFINITY, f16::MIN, f16::from_f64(-0.1), f16::ZERO, f16::INFINITY];
        check(&halves);
        check(&[bf16::NEG_INFINITY, bf16::MIN, bf16::ZERO, bf16::MIN_POSITIVE, bf16::INFINITY]);
        let tiny = f32::from_bits(1);
        check(&[f32::NEG_INFINITY, f32::MIN, -1.0, -tiny, 0.0, tiny, 1.0, f32::INFINITY]);
        let tiny = f64::from_bits(1);
        check(&[f64::NEG_INFINITY, f64::MIN, -1.0, -tiny, 0.0, tiny, 1.0, f64::INFINITY]);
    }

    #[test]
    fn elements_of_different_dtypes_become_floats() {
        let plan = Plan { exact_len: 100, rank_error: 0.01 };
        let quantiles = |sketch: Sketch| {
            let mut found = Vec::new();
            sketch.quantiles(&[0.0, 0.5, 1.0], |number| found.push(number.to_f64()));
            found
        };
        let of = |extend: &dyn Fn(&mut Sketch)| {
            let mut sketch = Sketch::EMPTY;
            extend(&mut sketch);
            sketch
        };
        let integers = of(&|sketch| sketch.extend(plan, &[-3_i64, 9], Nan::Counts));
        let floats = of(&|sketch| sketch.extend(plan, &[0.5_f32], Nan::Counts));
        let (mut one, mut other) = (integers.clone(), floats.clone());
        one.merge(plan, floats);
        other.merge(plan, integers);
        assert_eq!(quantiles(one), [-3.0, 0.5, 9.0]);
        assert_eq!(quantiles(other.clone()), [-3.0, 0.5, 9.0]);
        other.extend(plan, &[1_u8, 200], Nan::Counts);
        assert_eq!(quantiles(other), [-3.0, 1.0, 200.0]);
    }
}
