//! A server's folders made on a disk, and the way back in when nobody can sign in.

use std::os::unix::fs::PermissionsExt;

use mdm_core::operator::{InvitationHash, Operator};
use rand::rngs::OsRng;

use super::*;
use crate::testing::april;

struct Place {
    _folder: tempfile::TempDir,
    config: Config,
    made: Initialised,
}

async fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data: folder.path().join("data"),
        secrets: folder.path().join("secrets"),
        ..crate::testing::config()
    };
    let file = folder.path().join("mdm-server.toml");
    let made = init(&config, &file, "佐藤", april(), &mut OsRng).await.unwrap();
    Place { _folder: folder, config, made }
}

fn owner(text: &str) -> OperatorName {
    OperatorName::new(text).unwrap()
}

/// Whom the link in a file invites.
async fn invited(config: &Config, link: &Path) -> Option<Operator> {
    let link = fs::read_to_string(link).unwrap();
    let code =
        link.strip_prefix("https://localhost:0/invitation/").expect("a link and nothing else").to_owned();
    let hash = InvitationHash(shared::crypto::hazmat::sha256(&[code.as_bytes()]));
    let store = crate::server::open_store(&config.data).unwrap();
    store.operator_by_invitation(hash).await.unwrap().map(|stored| stored.value)
}

async fn noted(config: &Config) -> Vec<Happening> {
    let store = crate::server::open_store(&config.data).unwrap();
    let entries = store.journal_entries(0, mdm_store::MAX_PAGE).await.unwrap();
    entries.iter().map(|entry| entry.body().unwrap().what).collect()
}

#[tokio::test]
async fn the_first_owner_has_a_link_for_seven_days_that_only_they_can_read() {
    let Place { config, made, .. } = &place().await;
    assert_eq!(made.owner_invitation, config.secrets.join(OWNER_INVITATION_FILE));
    let mode = fs::metadata(&made.owner_invitation).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let operator = invited(config, &made.owner_invitation).await.unwrap();
    assert_eq!((operator.name.as_str(), operator.role), ("佐藤", Role::Owner));
    assert_eq!(operator.invitation().unwrap().expires_at, april() + FIRST_INVITATION_VALID_FOR);
    let expected = [Happening::ServerInitialised, Happening::OperatorInvited, Happening::TokenMade];
    assert_eq!(noted(config).await, expected);
}

#[tokio::test]
async fn an_owner_is_invited_anew_while_the_server_is_down() {
    let Place { config, made, .. } = &place().await;
    let before = fs::read_to_string(&made.owner_invitation).unwrap();
    let file = invite_owner(config, &owner("佐藤"), april(), &mut OsRng).await.unwrap();
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
    let operator = invited(config, &file).await.unwrap();
    assert_eq!(operator.invitation().unwrap().expires_at, april() + INVITATION_VALID_FOR);
    assert_eq!(noted(config).await.last(), Some(&Happening::OperatorInvited));
    assert!(operator.token.is_some(), "the token stays");
}

#[tokio::test]
async fn nobody_is_invited_while_the_server_runs_or_who_is_not_there() {
    let Place { config, made, .. } = &place().await;
    let before = fs::read_to_string(&made.owner_invitation).unwrap();
    let running = crate::server::open_store(&config.data).unwrap();
    let refused = invite_owner(config, &owner("佐藤"), april(), &mut OsRng).await;
    assert!(matches!(refused, Err(InitError::Open(mdm_store::OpenError::InUse { .. }))), "{refused:?}");
    drop(running);
    let refused = invite_owner(config, &owner("sato"), april(), &mut OsRng).await;
    assert!(matches!(refused, Err(InitError::NoSuchOperator(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&made.owner_invitation).unwrap(), before, "the link is still good");
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data: folder.path().join("data"),
        secrets: folder.path().join("secrets"),
        ..crate::testing::config()
    };
    let made = init(&config, &folder.path().join("c.toml"), "a b", april(), &mut OsRng).await;
    assert!(matches!(made, Err(InitError::Name(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
