//! Partition: where Kafka's clients put a key, for who looks for what was put there.

/// Returns the partition of a key: what the producer's `murmur2_random` makes of it, as Java clients do
/// (`org.apache.kafka.clients.producer.internals.BuiltInPartitioner`); `None` for a topic without any.
pub(crate) fn of(key: &str, count: usize) -> Option<u32> {
    let count = u32::try_from(count).ok()?;
    (murmur2(key.as_bytes()) & 0x7fff_ffff).checked_rem(count)
}

/// `MurmurHash2` by Austin Appleby, with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = word.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        let word = word.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that librdkafka's own test has (`rdmurmur2.c`), from the Java client.
    #[test]
    fn hashes_as_the_clients_do() {
        for (key, hash) in [
            ("kafka", 0xd067_cf64),
            ("giberish123456789", 0x8f55_2b0c),
            ("1234", 0x9fc9_7b14),
            ("234", 0xe7c0_09ca),
            ("34", 0x8739_30da),
            ("4", 0x5a4b_5ca1),
            ("", 0x106e_08d9),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
        assert_eq!(of("kafka", 1), Some(0));
        assert_eq!(of("kafka", 7), Some((0xd067_cf64 & 0x7fff_ffff) % 7));
        assert_eq!(of("kafka", 0), None);
    }
}
