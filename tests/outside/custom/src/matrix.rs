use lazy_chunks::{ArrayBlock, Converter, Result};
use ndarray::Ix2;

/// Where a matrix lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The memory of the machine.
    #[default]
    Host,
    /// The memory of the accelerator of this number.
    Accelerator(u32),
}

/// A matrix on a device, of any strides: column-major, as linear algebra likes it, or transposed.
#[derive(Clone, Debug)]
pub struct Matrix {
    shape: [usize; 2],
    strides: [usize; 2],
    elements: Vec<f32>,
    device: Device,
}

impl Matrix {
    /// Makes a column-major matrix of each element's row and column.
    pub fn from_fn(shape: [usize; 2], mut element: impl FnMut(usize, usize) -> f32) -> Self {
        let [rows, columns] = shape;
        let mut elements = Vec::with_capacity(rows * columns);
        for column in 0..columns {
            elements.extend((0..rows).map(|row| element(row, column)));
        }
        Self { shape, strides: [1, rows], elements, device: Device::Host }
    }

    /// The same matrix on another device.
    pub fn on(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The transpose, of the same memory.
    pub fn transposed(mut self) -> Self {
        self.shape.reverse();
        self.strides.reverse();
        self
    }

    /// The numbers of rows and of columns.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Where the matrix lies.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The elements of one row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = f32> + '_ {
        let [row_stride, column_stride] = self.strides;
        (0..self.shape[1])
            .map(move |column| self.elements[row * row_stride + column * column_stride])
    }

    /// The elements, row by row.
    pub fn iter(&self) -> impl Iterator<Item = f32> + '_ {
        (0..self.shape[0]).flat_map(|row| self.row(row))
    }

    /// Whether the elements lie in memory in the order in which a block has them.
    fn is_row_major(&self) -> bool {
        self.strides == [self.shape[1], 1]
    }
}

/// Fetches matrices from whichever device they are on, and brings them to one.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatrixConverter {
    /// The device on which matrices are made of blocks.
    pub device: Device,
}

impl Converter<Matrix> for MatrixConverter {
    fn to_array(&self, matrix: Matrix) -> Result<ArrayBlock> {
        // The matrix is handed over, so what is in order already is taken as it is.
        let shape = matrix.shape;
        let elements =
            if matrix.is_row_major() { matrix.elements } else { matrix.iter().collect() };
        ArrayBlock::from_vec(shape, elements)
    }

    fn to_tensor(&self, block: &ArrayBlock) -> Result<Matrix> {
        // Blocks of other dtypes, or of another number of axes, are refused here.
        let array = block.to_array::<f32, Ix2>()?;
        let shape = array.dim().into();
        Ok(Matrix::from_fn(shape, |row, column| array[[row, column]]).on(self.device))
    }
}
