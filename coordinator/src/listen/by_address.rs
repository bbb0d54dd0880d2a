//! How much of something each address has under way, so that one cannot take it all from the
//! others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Counts by address; an address without any is not kept.
#[derive(Debug, Clone)]
pub(crate) struct ByAddress {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One place of an address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    address: IpAddr,
    of: ByAddress,
}

impl ByAddress {
    /// With `most` places for each address.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// One more place of `address`, unless it has its share.
    pub(crate) fn place(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.counts.lock().expect("no holder panics");
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { address, of: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts.lock().expect("no holder panics");
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_leaves_no_trace() {
        let (by_address, one, other) =
            (ByAddress::new(3), [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let places: Vec<Place> = (0..3).filter_map(|_| by_address.place(one)).collect();
        assert_eq!(places.len(), 3);
        assert!(by_address.place(one).is_none());
        assert!(by_address.place(other).is_some());
        drop(places);
        assert!(by_address.counts.lock().expect("no holder panics").is_empty());
        assert!(by_address.place(one).is_some());
    }
}
