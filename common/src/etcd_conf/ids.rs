//! The ids that etcd derives from a formation, so that what has formed can be held against what was
//! meant.
//!
//! etcd: server/etcdserver/api/membership/member.go (`computeMemberID`) and cluster.go (`genID`).

use ring::digest;

use super::value::EtcdConf;
use crate::ports::peer_url;

/// A member's id at the formation: first 8 bytes of SHA-1 over its sorted peer URLs, joined, and
/// the token.
pub fn member_id(peer_url: &str, token: &str) -> u64 {
    first_8_bytes(&[peer_url.as_bytes(), token.as_bytes()].concat())
}

/// The cluster's id at the formation: first 8 bytes of SHA-1 over the sorted member ids,
/// big-endian.
pub fn cluster_id(member_ids: &[u64]) -> u64 {
    let mut sorted = member_ids.to_vec();
    sorted.sort_unstable();
    first_8_bytes(&sorted.iter().flat_map(|id| id.to_be_bytes()).collect::<Vec<_>>())
}

/// The ids of all members of `conf`, in its order.
pub fn member_ids(conf: &EtcdConf) -> Vec<u64> {
    conf.members.iter().map(|member| member_id(&peer_url(&member.host), &conf.token)).collect()
}

fn first_8_bytes(bytes: &[u8]) -> u64 {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("SHA-1 has 20 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_the_hand_procedure_are_reproduced() {
        let id = |n| member_id(&format!("https://x-k3s-m-{n}.edge.huatai.me:2380"), "INIT-TOKEN");
        assert_eq!(id(1), 0x7e8d_94ba_496c_072d);
        assert_eq!(id(2), 0xa01c_b653_43e6_4610);
        assert_eq!(id(3), 0x009b_fd4e_f1e7_2d26);
    }
}
