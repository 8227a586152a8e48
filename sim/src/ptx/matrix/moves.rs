//! `ldmatrix` and `stmatrix`: 8 x 8 matrices of 16-bit elements between shared memory and the fragments of a warp.
//!
//! Lane t names row t % 8 of matrix t / 8, 16 bytes of shared memory; register i of lane t holds of matrix i the elements
//! 2 (t % 4) and the next of row t / 4, or with `.trans` of column t / 4. PTX ISA, "ldmatrix", table of fragments.

/// The registers of each lane: one for each of `count` matrices, whose rows come in order.
pub fn ldmatrix(count: usize, trans: bool, rows: &[[u8; 16]]) -> Vec<[u32; 32]> {
    let mut registers = vec![[0; 32]; count];
    for (register, matrix) in registers.iter_mut().zip(rows.as_chunks::<8>().0) {
        for (lane, word) in register.iter_mut().enumerate() {
            let [low, high] = [0, 1].map(|half| {
                let (row, col) = place(lane, half, trans);
                u16::from_le_bytes([matrix[row][2 * col], matrix[row][2 * col + 1]])
            });
            *word = u32::from(low) | u32::from(high) << 16;
        }
    }
    registers
}

/// The rows that `count` registers of each lane make: what [`ldmatrix`] reads back.
pub fn stmatrix(count: usize, trans: bool, registers: &[[u32; 32]]) -> Vec<[u8; 16]> {
    let mut rows = vec![[0; 16]; 8 * count];
    for (matrix, register) in rows.chunks_mut(8).zip(registers) {
        for (lane, &word) in register.iter().enumerate() {
            for half in 0..2 {
                let (row, col) = place(lane, half, trans);
                let bytes = ((word >> (16 * half)) as u16).to_le_bytes();
                matrix[row][2 * col..2 * col + 2].copy_from_slice(&bytes);
            }
        }
    }
    rows
}

/// Row and column of a lane's element.
#[inline(always)]
fn place(lane: usize, half: usize, trans: bool) -> (usize, usize) {
    let (across, along) = (lane / 4, 2 * (lane % 4) + half);
    if trans { (along, across) } else { (across, along) }
}
