//! A job as a bare loop of requests: it puts the elements of chunks, or shards, and gets them back,
//! without metadata and without asking whether an object exists.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;

use super::{Limit, measured};
use crate::job::{BUCKET, Job, Outcome, Task};
use crate::pool::Pool;

/// The number of requests at a time.
const IN_FLIGHT: usize = 16;

pub(super) fn run(job: &Job, endpoint: &str) -> Result<Outcome> {
    let limit = Limit::new(job)?;
    let store = AmazonS3Builder::from_env()
        .with_bucket_name(BUCKET)
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .build()?;
    let objects = Objects { limit, store: Arc::new(store) };
    let runtime = Runtime::new()?;
    match job.task {
        Task::Store => {
            let pool = Pool::load(&job.pool)?;
            measured(|| runtime.block_on(objects.store(&pool)))
        }
        Task::Read => measured(|| runtime.block_on(objects.read())),
        Task::ReadRegion => measured(|| runtime.block_on(objects.read_region())),
        Task::ReadBlocks => bail!("no array in a store is read in blocks"),
    }
}

struct Objects<'j> {
    limit: Limit<'j>,
    store: Arc<AmazonS3>,
}

impl Objects<'_> {
    fn path(i: usize) -> Path {
        Path::from(format!("limit/{i}"))
    }

    async fn store(&self, pool: &Pool) -> Result<()> {
        let n_elements = self.limit.unit[0] * self.limit.unit[1];
        let puts = (0..self.limit.n_units).map(|i| async move {
            let elements = pool.block(i, n_elements);
            let mut bytes = vec![0; self.limit.unit_bytes];
            for (bytes, element) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
                *bytes = element.to_ne_bytes();
            }
            self.store.put(&Self::path(i), bytes.into()).await
        });
        let puts = stream::iter(puts).buffer_unordered(IN_FLIGHT);
        Ok(puts.try_for_each(|_| async { Ok(()) }).await?)
    }

    async fn read(&self) -> Result<()> {
        let mut elements = vec![0; self.limit.n_units * self.limit.unit_bytes];
        let units = elements.chunks_mut(self.limit.unit_bytes).enumerate();
        let gets = units.map(|(i, unit)| async move {
            let mut place = 0;
            let mut body = self.store.get(&Self::path(i)).await?.into_stream();
            while let Some(bytes) = body.try_next().await? {
                let part = unit.get_mut(place..place + bytes.len());
                part.context("the object is too long")?.copy_from_slice(&bytes);
                place += bytes.len();
            }
            anyhow::Ok(())
        });
        stream::iter(gets).buffer_unordered(IN_FLIGHT).try_collect().await
    }

    /// Gets a shard's end, as if it were an index, and then as many bytes as the chunks have that
    /// the region lies in.
    async fn read_region(&self) -> Result<()> {
        let [top, left, bottom, right] = self.limit.job.region.context("no region")?;
        let [height, width] = self.limit.chunk;
        let n_chunks =
            (bottom.div_ceil(height) - top / height) * (right.div_ceil(width) - left / width);
        let n_bytes = (n_chunks * height * width * size_of::<f32>()) as u64;
        let n_index = (self.limit.n_chunks() * size_of::<[u64; 2]>()) as u64;
        for range in [GetRange::Suffix(n_index), GetRange::Bounded(0..n_bytes)] {
            let options = GetOptions { range: Some(range), ..GetOptions::default() };
            self.store.get_opts(&Self::path(0), options).await?.bytes().await?;
        }
        Ok(())
    }
}
