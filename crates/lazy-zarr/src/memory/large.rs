//! Memory in large pages, which is used again.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memmap2::{Advice, MmapMut};

/// The memory that no buffer uses at the moment, by its size in bytes.
type Free = Mutex<BTreeMap<usize, Vec<MmapMut>>>;

/// A pool of memory in large pages. It keeps as much as was ever in use at once, until the pool and
/// its buffers are dropped.
#[derive(Default)]
pub(super) struct LargePool(Arc<Free>);

impl LargePool {
    /// Returns a buffer of this many bytes, which are zero or those of an earlier buffer.
    pub(super) fn buffer(&self, n_bytes: usize) -> io::Result<LargeBuffer> {
        let free = Arc::clone(&self.0);
        // Memory that is too small is of no use any more.
        let kept = take(&mut lock(&free), n_bytes).filter(|map| map.len() >= n_bytes);
        let map = match kept {
            Some(map) => map,
            None => {
                let map = MmapMut::map_anon(n_bytes)?;
                // If the system has no large pages, small pages work too.
                let _ = map.advise(Advice::HugePage);
                map
            }
        };
        Ok(LargeBuffer { map: Some(map), n_bytes, free })
    }
}

/// Takes the smallest memory of at least `n_bytes`, or else the largest that is too small.
fn take(free: &mut BTreeMap<usize, Vec<MmapMut>>, n_bytes: usize) -> Option<MmapMut> {
    let sizes = [free.range(n_bytes..).next(), free.last_key_value()];
    let (&size, _) = sizes.into_iter().flatten().next()?;
    let equals = free.get_mut(&size).expect("the size was found there");
    let map = equals.pop();
    if equals.is_empty() {
        free.remove(&size);
    }
    map
}

fn lock(free: &Free) -> MutexGuard<'_, BTreeMap<usize, Vec<MmapMut>>> {
    // No code panics while it holds the lock, so the data is consistent.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of a [`LargePool`], to which it returns when it is dropped.
pub(crate) struct LargeBuffer {
    /// `None` once it is dropped.
    map: Option<MmapMut>,
    n_bytes: usize,
    free: Arc<Free>,
}

impl AsRef<[u8]> for LargeBuffer {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[..self.n_bytes])
    }
}

impl AsMut<[u8]> for LargeBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.map.as_mut().map_or(&mut [], |map| &mut map[..self.n_bytes])
    }
}

impl Drop for LargeBuffer {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            lock(&self.free).entry(map.len()).or_default().push(map);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_memory_is_used_again_if_it_is_large_enough() {
        let pool = LargePool::default();
        let n_free = || lock(&pool.0).values().map(Vec::len).sum::<usize>();
        let mut buffers = [3 << 20, 2 << 20].map(|n_bytes| pool.buffer(n_bytes).unwrap());
        buffers[0].as_mut().fill(3);
        buffers[1].as_mut().fill(2);
        assert_eq!(n_free(), 0);
        drop(buffers);
        assert_eq!(n_free(), 2);
        // The smallest that is large enough, and no byte behind what was asked for.
        let small = pool.buffer((2 << 20) - 1).unwrap();
        assert!(small.as_ref().len() == (2 << 20) - 1 && small.as_ref().iter().all(|x| *x == 2));
        assert_eq!(n_free(), 1);
        // What is too small is given back to the system.
        let large = pool.buffer(4 << 20).unwrap();
        assert!(large.as_ref().len() == 4 << 20 && large.as_ref().iter().all(|x| *x == 0));
        assert_eq!(n_free(), 0);
        drop((small, large));
        assert_eq!(n_free(), 2);
    }
}
