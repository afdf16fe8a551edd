//! Forms that another site, or another session, made up.

use e2e::web::Web;
use e2e::world::World;

#[test]
fn a_form_counts_only_from_a_page_of_its_own_session() {
    let world = World::new().unwrap();
    let (owner, other) = (world.owner().unwrap(), world.operator("tanaka", "operator").unwrap());
    let (web, others) = (Web::new(&world).unwrap(), Web::new(&world).unwrap());
    web.sign_in(&owner).unwrap();
    others.sign_in(&other).unwrap();
    let (token, foreign) = (web.csrf().unwrap(), others.csrf().unwrap());
    let here = world.console();
    let from_here = [("origin", here.as_str())];

    let sent = |fields: &[(&str, &str)], headers: &[(&str, &str)]| {
        web.post_from("/sign-out", fields, headers).unwrap().status
    };
    assert_eq!(sent(&[], &from_here), 403, "without a token");
    assert_eq!(sent(&[("csrf", "")], &from_here), 403, "with an empty one");
    assert_eq!(sent(&[("csrf", &foreign)], &from_here), 403, "with that of another session");
    let right = [("csrf", token.as_str())];
    for origin in ["https://evil.example", "http://localhost", "null", &here.replace("https", "http")] {
        assert_eq!(sent(&right, &[("origin", origin)]), 403, "from {origin}");
    }
    for site in ["cross-site", "same-site"] {
        assert_eq!(sent(&right, &[("sec-fetch-site", site)]), 403, "from {site}");
    }
    web.get("/").unwrap().expect(200).unwrap();
    assert_eq!(sent(&right, &from_here), 303, "the right token from the right place");
    web.get("/").unwrap().expect(303).unwrap();
}

#[test]
fn nobody_is_signed_in_by_another_site() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let web = Web::new(&world).unwrap();
    let code = owner.code().unwrap();
    let form = [("name", owner.name.as_str()), ("password", &owner.password), ("code", &code)];
    let foreign = web.post_from("/sign-in", &form, &[("origin", "https://evil.example")]).unwrap();
    assert_eq!(foreign.status, 403);
    assert_eq!(foreign.header("set-cookie"), "");
    web.post("/sign-in", &form).unwrap().expect(303).unwrap();
}

#[test]
fn a_file_is_taken_only_behind_the_token_of_its_session() {
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    let web = Web::new(&world).unwrap();
    web.sign_in(&owner).unwrap();
    let token = web.csrf().unwrap();
    let rows = "職員番号,氏名,フリガナ,所属,職名,利用\r\n000001,髙橋　花子,タカハシ,税務課,主事,○\r\n";
    let sent = |token: Option<&str>| {
        let mut fields = vec![("source", "知事部局"), ("mode", "roster"), ("encoding", "")];
        if let Some(token) = token {
            fields.insert(0, ("csrf", token));
        }
        web.upload("/batches/new", &fields, ("file", rows.as_bytes())).unwrap()
    };
    let batches = || {
        let list = world.ask_as_owner("GET", "/batches", &serde_json::Value::Null).unwrap();
        list.get("items").unwrap_or(&list).as_array().unwrap().len()
    };
    assert_eq!(sent(None).status, 403);
    assert_eq!(sent(Some("made up")).status, 403);
    assert_eq!(batches(), 0, "nothing was planned");
    assert!(sent(Some(&token)).expect(303).unwrap().location().starts_with("/batches/"));
    assert_eq!(batches(), 1);
}
