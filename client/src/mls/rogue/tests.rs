//! How much of a conversation stays behind when its people come and go.

use valise_proto::{
    conversation::{Conversation, LeafIdentity},
    id::{DeviceId, GroupId, Hash, OrgId},
    log::Head,
};

use super::{Rogue, unchecked_package};
use crate::mls::{Me, commit, create, merge_own};

const MEMBERS: u8 = 12;
const EPOCHS: usize = 16;
/// What may be left of one member in one past epoch: credential and two keys, one of them X-Wing's.
const MEMBER_BYTES: usize = 1_300;

fn member(number: u8) -> Rogue {
    let identity = LeafIdentity {
        account: format!("member{number}").parse().unwrap(),
        device: DeviceId([number; 32]),
        index: number.into(),
        certificate: Hash([number; 32]),
    };
    Rogue::new(&[number; 32], &identity).unwrap()
}

/// Everything in a member's store, without free pages: bytes.
fn stored(member: &Rogue) -> usize {
    member.connection.execute_batch("vacuum").unwrap();
    let count = |name| {
        let sql = format!("select * from pragma_{name}");
        let count = member.connection.query_row(&sql, (), |row| row.get(0));
        usize::try_from(count.unwrap_or(0_i64)).unwrap()
    };
    count("page_count") * count("page_size")
}

/// Members × epochs would be what a large office pays for with every letter.
#[test]
fn trap2_the_state_does_not_grow_with_epochs() {
    let org = OrgId([1; 32]);
    let head = Head {
        size: 1,
        root: Hash([2; 32]),
    };
    let (founder, guest) = (member(1), member(2));
    let me: Me<'_> = founder.me(org);
    let record = Conversation {
        nonce: [3; 16],
        creator: "member1".parse().unwrap(),
        accounts: vec!["member1".parse().unwrap()],
    };
    let group: GroupId = record.group_id(org).unwrap();
    let provider = founder.provider();
    let others = (3..=MEMBERS).map(member);
    let packages = others.map(|other| other.package().unwrap());
    let packages = packages.chain([guest.package().unwrap()]);
    let packages = packages.map(|package| unchecked_package(&provider, &package).unwrap());
    let made = create(&provider, &me, &record, packages.collect(), head).unwrap();
    merge_own(&provider, group).unwrap();
    guest.join(&made.welcome).unwrap();

    let epoch = || {
        let made = commit(&provider, &me, group, &[], Vec::new(), head).unwrap();
        merge_own(&provider, group).unwrap();
        assert_eq!(guest.read(group, &made.message).unwrap(), None);
    };
    // The first path adds the keys of its nodes, which stay.
    epoch();
    let before = [stored(&founder), stored(&guest)];
    for _ in 0..EPOCHS {
        epoch();
    }
    let after = [stored(&founder), stored(&guest)];
    for (before, after) in before.into_iter().zip(after) {
        let grown = after.saturating_sub(before);
        assert!(
            grown < usize::from(MEMBERS) * MEMBER_BYTES,
            "{before} {after}"
        );
    }
}
