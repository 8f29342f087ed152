//! The digits, and flipping of their labels at random.

use std::error::Error;
use std::io::Read;

use flate2::read::GzDecoder;
use ndarray::{Array2, Axis, concatenate, s};
use rand::rngs::StdRng;
use rand::seq::{SliceRandom, index};
use rand::{Rng, SeedableRng};

/// The number of classes.
pub(crate) const N_CLASSES: usize = 10;

/// Images with labels.
pub(crate) struct Digits {
    /// One image per row: 64 pixels from 0 to 1, and a constant 1 for the model's bias.
    pub(crate) inputs: Array2<f64>,
    /// The labels to train on.
    pub(crate) labels: Vec<usize>,
    /// The labels before flipping.
    pub(crate) true_labels: Vec<usize>,
}

impl Digits {
    /// Loads all digits and splits them at random into `n_train` to train on and the rest to test.
    pub(crate) fn load(n_train: usize, seed: u64) -> Result<(Digits, Digits), Box<dyn Error>> {
        let mut csv = String::new();
        GzDecoder::new(&include_bytes!("data/digits.csv.gz")[..]).read_to_string(&mut csv)?;
        let mut rows = csv
            .lines()
            .map(|line| line.split(',').map(str::parse).collect())
            .collect::<Result<Vec<Vec<f64>>, _>>()?;
        rows.shuffle(&mut StdRng::seed_from_u64(seed));
        let test = rows.split_off(n_train);
        Ok((Digits::from_rows(&rows)?, Digits::from_rows(&test)?))
    }

    fn from_rows(rows: &[Vec<f64>]) -> Result<Digits, Box<dyn Error>> {
        let pixels = rows.iter().flat_map(|row| &row[..64]).map(|pixel| pixel / 16.0).collect();
        let pixels = Array2::from_shape_vec((rows.len(), 64), pixels)?;
        let inputs = concatenate![Axis(1), pixels, Array2::ones((rows.len(), 1))];
        let labels: Vec<_> = rows.iter().map(|row| row[64] as usize).collect();
        Ok(Digits { inputs, true_labels: labels.clone(), labels })
    }

    /// Gives `n_flipped` digits another label.
    pub(crate) fn flip_labels(&mut self, n_flipped: usize, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        for i in index::sample(&mut rng, self.labels.len(), n_flipped) {
            let other = rng.random_range(1..N_CLASSES);
            self.labels[i] = (self.labels[i] + other) % N_CLASSES;
        }
    }

    /// Returns the number of digits.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns the fraction of digits whose true label is predicted.
    pub(crate) fn accuracy(&self, predictions: &[usize]) -> f64 {
        let n_right = predictions.iter().zip(&self.true_labels).filter(|(a, b)| a == b).count();
        n_right as f64 / self.len() as f64
    }

    /// Returns true if a digit's label was flipped.
    pub(crate) fn is_flipped(&self, i: usize) -> bool {
        self.labels[i] != self.true_labels[i]
    }

    /// Returns the pixels of a digit, from 0 to 1.
    pub(crate) fn image(&self, i: usize) -> Array2<f64> {
        let pixels = self.inputs.slice(s![i, ..64]).to_owned();
        pixels.into_shape_with_order((8, 8)).expect("64 pixels")
    }
}
