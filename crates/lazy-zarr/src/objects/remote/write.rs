//! Putting objects.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload, PutResult, UploadPart};

type Result<T> = std::result::Result<T, object_store::Error>;

/// Objects of at least this many bytes are put in parts if the put has no condition, which parts do
/// not support.
pub(super) const MIN_SIZE_FOR_PARTS: usize = 32 << 20;
const PART_SIZE: usize = 8 << 20;
/// The most parts that S3 takes for an object.
const MAX_PARTS: usize = 10_000;
/// The parts of one object that are sent at once.
const MAX_REQUESTS: usize = 4;

/// Puts an object.
pub(super) async fn put(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: Bytes,
    mode: PutMode,
) -> Result<PutResult> {
    if bytes.len() < MIN_SIZE_FOR_PARTS || mode != PutMode::Overwrite {
        return store.put_opts(path, bytes.into(), mode.into()).await;
    }
    match put_parts(store, path, &bytes).await {
        Err(object_store::Error::NotImplemented { .. }) => store.put(path, bytes.into()).await,
        put => put,
    }
}

/// Puts an object in parts. If that fails, the parts are deleted.
async fn put_parts(store: &dyn ObjectStore, path: &Path, bytes: &Bytes) -> Result<PutResult> {
    let mut upload = store.put_multipart(path).await?;
    let size = PART_SIZE.max(bytes.len().div_ceil(MAX_PARTS));
    let starts = (0..bytes.len()).step_by(size);
    let parts = starts.map(|start| bytes.slice(start..(start + size).min(bytes.len())));
    let parts = parts.map(|part| upload.put_part(PutPayload::from(part)));
    // Once a part has failed, the others are awaited, since one that arrives after the deletion
    // would stay, and no more are sent.
    let has_failed = AtomicBool::new(false);
    let send = |part: UploadPart| {
        let has_failed = &has_failed;
        async move {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let sent = part.await;
            has_failed.fetch_or(sent.is_err(), Ordering::Relaxed);
            sent
        }
    };
    let parts: Vec<_> = parts.map(send).collect();
    let sent = stream::iter(parts).buffer_unordered(MAX_REQUESTS).collect::<Vec<_>>();
    let sent: Result<()> = sent.await.into_iter().collect();
    let put = match sent {
        Ok(()) => upload.complete().await,
        Err(error) => Err(error),
    };
    if put.is_err() {
        // The error of the put says more.
        let _ = upload.abort().await;
    }
    put
}
