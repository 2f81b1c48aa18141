//! The weights as they are stored, and as numbers.
//!
//! Vectors (biases, layer norms) are stored as they are. A matrix `NAME` is stored as two tensors: `NAME.q4` has two
//! values a byte, the low four bits first, each the value plus 8; `NAME.scales` has a 16-bit float for every 32 values.
//! A number is `(four bits - 8) * scale`. Values run row by row without gaps.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, bail};

/// Values that share a scale.
const GROUP: usize = 32;

/// All tensors of a model, by name.
pub(super) struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Reads a file in the safetensors format.
    ///
    /// # Errors
    /// It is not one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        Ok(Self(candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?))
    }

    /// A vector.
    ///
    /// # Errors
    /// There is none of that name and length.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Tensor> {
        let tensor = self.named(name)?.to_dtype(DType::F32)?;
        if tensor.dims() != [length] {
            bail!("{name} is not a vector of {length} numbers");
        }
        Ok(tensor)
    }

    /// A matrix as numbers.
    ///
    /// # Errors
    /// There is none of that name and shape.
    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Tensor> {
        let table = self.table(name, rows, columns)?;
        let mut numbers = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            table.row(row, &mut numbers)?;
        }
        Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)
    }

    /// A matrix as it is stored, of which rows are read one by one.
    ///
    /// # Errors
    /// There is none of that name and shape.
    pub(super) fn table(&self, name: &str, rows: usize, columns: usize) -> Result<Table> {
        let packed = self.named(&format!("{name}.q4"))?.to_vec1::<u8>()?;
        let scales = self.named(&format!("{name}.scales"))?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        let values = rows * columns;
        if packed.len() * 2 != values || scales.len() * GROUP != values || !columns.is_multiple_of(GROUP) {
            bail!("{name} is not a matrix of {rows} by {columns} numbers");
        }
        Ok(Table { packed, scales, columns })
    }

    fn named(&self, name: &str) -> Result<&Tensor> {
        match self.0.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!("there is no {name}"),
        }
    }
}

/// A matrix in 4 bits.
pub(super) struct Table {
    packed: Vec<u8>,
    scales: Vec<f32>,
    columns: usize,
}

impl Table {
    /// Adds one row to `numbers`.
    ///
    /// # Errors
    /// There is no such row.
    pub(super) fn row(&self, row: usize, numbers: &mut Vec<f32>) -> Result<()> {
        let place = |per: usize| row * self.columns / per..(row + 1) * self.columns / per;
        let (Some(packed), Some(scales)) = (self.packed.get(place(2)), self.scales.get(place(GROUP))) else {
            bail!("there is no row {row}");
        };
        for (pairs, scale) in packed.chunks(GROUP / 2).zip(scales) {
            let value = |bits: u8| (f32::from(bits) - 8.0) * scale;
            numbers.extend(pairs.iter().flat_map(|pair| [value(pair & 15), value(pair >> 4)]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bits_become_numbers_low_half_first() {
        let packed: Vec<u8> = std::iter::once(0xf1).chain(std::iter::repeat_n(0x88, 31)).collect();
        let table = Table { packed, scales: vec![0.5, 2.0], columns: 32 };
        let mut numbers = Vec::new();
        table.row(0, &mut numbers).unwrap();
        assert_eq!(numbers[..3], [-3.5, 3.5, 0.0]);
        assert_eq!(numbers.len(), 32);
        table.row(1, &mut numbers).unwrap();
        assert_eq!(numbers[32..], [0.0; 32]);
        assert!(table.row(2, &mut numbers).is_err());
    }

    #[test]
    fn a_tensor_of_another_shape_is_refused() {
        let packed = Tensor::zeros(32, DType::U8, &Device::Cpu).unwrap();
        let scales = Tensor::zeros(2, DType::F16, &Device::Cpu).unwrap();
        let tensors = [("m.q4".to_owned(), packed), ("m.scales".to_owned(), scales)];
        let weights = Weights(tensors.into());
        assert_eq!(weights.matrix("m", 2, 32).unwrap().dims(), [2, 32]);
        for (name, rows, columns) in [("m", 1, 32), ("m", 4, 16), ("n", 2, 32)] {
            assert!(weights.table(name, rows, columns).is_err(), "{name} {rows} {columns}");
        }
        assert!(weights.vector("m.scales", 3).is_err());
    }
}
