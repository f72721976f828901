//! The executable: position-independent, and static on x86-64, by the flags in `.cargo/config.toml`.

use std::fs;

use crate::world::binary;

const TYPE_OF_POSITION_INDEPENDENT: u16 = 3;
const SEGMENT_OF_INTERPRETER: u32 = 3;
const SEGMENT_READ_ONLY_AFTER_RELOCATION: u32 = 0x6474_e552;

/// Type of a 64-bit ELF file of this machine's byte order, and the types of its segments; see elf(5).
fn elf(bytes: &[u8]) -> (u16, Vec<u32>) {
    let at = |offset: usize, length: usize| -> u64 {
        let mut number = [0; 8];
        number[..length].copy_from_slice(&bytes[offset..offset + length]);
        u64::from_le_bytes(number)
    };
    assert_eq!(&bytes[..5], b"\x7fELF\x02");
    let (table, size, count) = (at(32, 8) as usize, at(54, 2) as usize, at(56, 2) as usize);
    let segments = (0..count).map(|index| at(table + index * size, 4) as u32).collect();
    (at(16, 2) as u16, segments)
}

#[test]
fn the_plain_build_is_position_independent_and_static() {
    if std::env::var_os("RUSTFLAGS").is_some() || std::env::var_os("CARGO_ENCODED_RUSTFLAGS").is_some() {
        eprintln!("skipped: RUSTFLAGS replaces the flags of .cargo/config.toml");
        return;
    }
    if !cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64", target_endian = "little")) {
        eprintln!("skipped: another target has its own way to link");
        return;
    }
    let (kind, segments) = elf(&fs::read(binary()).unwrap());
    assert_eq!(kind, TYPE_OF_POSITION_INDEPENDENT);
    if cfg!(target_arch = "x86_64") {
        assert!(!segments.contains(&SEGMENT_OF_INTERPRETER), "a dynamic loader is needed to start it");
    }
    assert!(segments.contains(&SEGMENT_READ_ONLY_AFTER_RELOCATION), "relocated data stays writable");
}
