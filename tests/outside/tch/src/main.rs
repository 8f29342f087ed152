use lazy_chunks::LazyChunkSequence;
use lazy_chunks::tch::{TchConcatenate, TchConverter};
use lazy_chunks::zarr::{Existing, ToZarr, ZarrSink};
use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

fn main() -> anyhow::Result<()> {
    // The embeddings of 10 batches of 32 samples: an array of shape (320, 8). Threads cannot share
    // the model's tensors, so the function stays on its thread.
    let variables = nn::VarStore::new(Device::Cpu);
    let model = nn::linear(variables.root(), 100, 8, nn::LinearConfig::default());
    let embeddings = LazyChunkSequence::from_local_fn([32; 10], |batch| {
        let samples = Tensor::full([32, 100], batch as f64, (Kind::Float, Device::Cpu));
        model.forward(&samples)
    });

    let path = "embeddings.zarr";
    let sink = ZarrSink::new(path).with_existing(Existing::Replace);
    let stored = embeddings.clone().convert(TchConverter::new()).to_zarr(sink)?;

    // Read in other blocks, as tensors again, and join them in libtorch.
    let tensors = stored.sequence([160, 160])?.to_tensors::<Tensor, _>(TchConverter::new());
    let read = tensors.compute(TchConcatenate::new())?;
    assert_eq!(read, embeddings.compute(TchConcatenate::new())?);
    Ok(())
}
