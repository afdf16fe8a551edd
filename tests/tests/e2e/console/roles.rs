//! Who may do what, by page and by API: the helpdesk cannot wipe, the auditor can change nothing, the owner can.

use e2e::web::Web;
use e2e::world::{Operator, World};
use serde_json::{Value, json};

use super::crawl::{Crawl, kind};
use super::office::Office;
use super::signed_in;

/// The page that refuses a role.
const FORBIDDEN: &str = "この操作はできません";
/// Forms of their own session, and downloads of who may see the journal.
const OWN: [&str; 2] = ["/sign-out", "/confirm"];

/// What must stay as it is when nothing is allowed.
fn everything(world: &World) -> Value {
    let ask = |path: &str| world.ask_as_owner("GET", path, &Value::Null).unwrap();
    let devices = world.devices().unwrap();
    // A phone that is switched on is in contact all the time.
    let standing = |device: &Value| json!([device["id"], device["state"], device["wipe"]]);
    json!([
        devices.iter().map(standing).collect::<Vec<_>>(),
        ask("/accounts?limit=1000"),
        ask("/licenses"),
        ask("/waitlist"),
        ask("/batches"),
        ask("/operators"),
    ])
}

/// The forms of these that a session is refused for its role, and those that it is not.
fn refused<'a>(web: &Web, forms: impl Iterator<Item = &'a String>) -> (Vec<String>, Vec<String>) {
    let token = web.csrf().unwrap();
    let is_refused = |path: &&String| {
        let answer = web.post(path, &[("csrf", &token)]).unwrap();
        answer.status == 403 && answer.body.contains(FORBIDDEN)
    };
    let (refused, open): (Vec<&String>, Vec<&String>) = forms.partition(is_refused);
    (refused.into_iter().cloned().collect(), open.into_iter().cloned().collect())
}

#[test]
fn roles_hold_at_every_form_of_the_console() {
    let office = Office::new();
    let owner = signed_in(&office.world, &office.owner);
    let all = Crawl::of(&owner).forms();
    for what in ["block", "wipe", "apply", "pool", "reclaim", "invite", "disable"] {
        assert!(all.iter().any(|form| form.contains(what)), "no form for {what} among {all:?}");
    }
    let before = everything(&office.world);
    let others = || all.iter().filter(|form| !OWN.contains(&form.as_str()));

    let auditor = signed_in(&office.world, &office.auditor);
    let seen = Crawl::of(&auditor).forms();
    let changes: Vec<&String> =
        seen.iter().filter(|form| !OWN.contains(&form.as_str()) && !form.starts_with("/audit")).collect();
    assert!(changes.is_empty(), "an auditor is shown {changes:?}");
    let (_, open) = refused(&auditor, others());
    let open: Vec<String> = open.into_iter().filter(|form| !form.starts_with("/audit")).collect();
    assert!(open.is_empty(), "an auditor may send {open:?}");

    let helpdesk = signed_in(&office.world, &office.helpdesk);
    let seen = Crawl::of(&helpdesk).forms();
    assert!(seen.iter().any(|form| form.contains("block")), "the helpdesk blocks: {seen:?}");
    let beyond: Vec<&String> =
        seen.iter().filter(|form| !OWN.contains(&form.as_str()) && !form.ends_with("block")).collect();
    assert!(beyond.is_empty(), "the helpdesk is shown {beyond:?}");
    let (_, open) = refused(&helpdesk, others().filter(|form| !form.ends_with("block")));
    assert!(open.is_empty(), "the helpdesk may send {open:?}");
    let wipes: Vec<&String> = all.iter().filter(|form| form.ends_with("/wipe")).collect();
    for wipe in &wipes {
        helpdesk.get(wipe).unwrap().expect(403).unwrap();
    }
    assert_eq!(everything(&office.world), before, "nothing was changed by those who may not");

    // The same requests are not refused to the owner, and one of them, filled in, does what it says.
    let (closed, _) = refused(&owner, wipes.into_iter());
    assert!(closed.is_empty(), "the owner is refused {closed:?}");
}

#[test]
fn roles_hold_at_the_api() {
    let office = Office::new();
    let world = &office.world;
    let web = Web::new(world).unwrap();
    let owner = std::fs::read_to_string(world.token_file()).unwrap();
    let owner = owner.trim();
    let (helpdesk, auditor) = (token(&web, owner, &office.helpdesk), token(&web, owner, &office.auditor));
    let (device, account, batch) = (&office.reached.device, &office.reached.person.account, &office.planned);
    let why = json!({ "reason": "試験" });
    let acts = [
        ("POST", format!("/devices/{device}/block"), why.clone()),
        ("POST", format!("/devices/{device}/unblock"), why.clone()),
        ("POST", format!("/devices/{device}/wipe"), why.clone()),
        ("POST", format!("/accounts/{account}/code"), Value::Null),
        ("POST", format!("/batches/{batch}/apply"), Value::Null),
        ("POST", format!("/batches/{batch}/undo"), json!({})),
        ("PUT", "/licenses/pool".to_owned(), json!({ "size": 1 })),
        ("POST", "/licenses/reclaim".to_owned(), json!({ "never_signed_in_days": 0, "dry_run": true })),
        ("POST", "/waitlist".to_owned(), json!({ "account": account })),
        ("POST", "/codes/export".to_owned(), Value::Null),
        ("POST", "/codes/letters".to_owned(), Value::Null),
        ("POST", "/operators".to_owned(), json!({ "name": "mallory", "role": "owner" })),
    ];
    let before = everything(world);
    for (method, path, body) in &acts {
        let status = web.api(method, path, &auditor, body).unwrap().status;
        assert_eq!(status, 403, "{method} {path} by the auditor");
        if !path.ends_with("block") {
            let status = web.api(method, path, &helpdesk, body).unwrap().status;
            assert_eq!(status, 403, "{method} {path} by the helpdesk");
        }
    }
    assert_eq!(everything(world), before);
    for path in ["/devices", "/accounts", "/licenses", "/audit/entries"] {
        assert_eq!(
            web.api("GET", path, &auditor, &Value::Null).unwrap().status,
            200,
            "{path} by the auditor"
        );
    }

    let block = format!("/devices/{device}/block");
    web.api("POST", &block, &helpdesk, &why).unwrap().expect(200).unwrap();
    let wipe = format!("/devices/{device}/wipe");
    web.api("POST", &wipe, owner, &why).unwrap().expect(200).unwrap();
    assert!(world.device(device).unwrap()["wipe"].is_object());
    assert_eq!(kind(&wipe), "/devices/{id}/wipe");
}

fn token(web: &Web, owner: &str, operator: &Operator) -> String {
    let path = format!("/operators/{}/token", operator.name);
    let answer = web.api("POST", &path, owner, &Value::Null).unwrap();
    assert!(matches!(answer.status, 200 | 201), "{} {}", answer.status, answer.body);
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    made["token"].as_str().unwrap().to_owned()
}
