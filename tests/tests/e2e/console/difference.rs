//! The roster comes a second time before anybody has applied it: who is different in it, by page and by mdmctl.

use e2e::world::World;

use super::signed_in;
use crate::prepared::SOURCE;

const FIRST: &str = "職員番号,氏名,所属\n001,髙橋太郎,総務課\n002,﨑山花子,税務課\n003,濵田次郎,福祉課\n";
/// 002 stands elsewhere, 003 is gone, 004 is in this one only.
const SECOND: &str = "職員番号,氏名,所属\n001,髙橋太郎,総務課\n002,﨑山花子,防災課\n004,森四郎,総務課\n";

#[test]
fn a_corrected_roster_is_looked_at_by_what_it_says_differently() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let helpdesk = world.operator("tanaka", "helpdesk").unwrap();
    let upload = |name: &str, csv: &str| {
        let file = world.file(name, csv.as_bytes()).unwrap();
        world.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap()
    };
    let (older, newer) = (upload("naiji.csv", FIRST), upload("teisei.csv", SECOND));

    let admin = signed_in(&world, &owner);
    let address = format!("/batches/{newer}/difference?older={older}");
    for plan in [&older, &newer] {
        let page = admin.get(&format!("/batches/{plan}")).unwrap().expect(200).unwrap();
        assert!(page.body.contains(&format!("href=\"{address}\"")), "{}", page.body);
    }
    for (kind, shown) in [("new", "森四郎"), ("gone", "濵田次郎"), ("changed", "﨑山花子")] {
        let page = admin.get(&format!("{address}&kind={kind}")).unwrap().expect(200).unwrap();
        let names = ["髙橋太郎", "﨑山花子", "濵田次郎", "森四郎"];
        let seen: Vec<&str> = names.into_iter().filter(|name| page.body.contains(name)).collect();
        assert_eq!(seen, [shown], "{kind}");
    }
    // 内示 is not for the helpdesk.
    let refused = signed_in(&world, &helpdesk).get(&address).unwrap().expect(403).unwrap();
    assert!(!refused.body.contains("森四郎"));

    let found = world.mdmctl(&["batch", "compare", &older, &newer]).unwrap();
    let counts = ["same", "new", "gone", "changed"].map(|name| found[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 1], "{found}");
    let people = found["people"].as_array().unwrap();
    let only_newer: Vec<_> = people.iter().filter(|one| one["older"].is_null()).collect();
    assert_eq!(only_newer.len(), 1);
    assert_eq!(only_newer[0]["newer"]["staff_number"], "004");
}
